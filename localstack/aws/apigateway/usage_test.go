package apigateway

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestUsage holds what is counted, and that a reset leaves what is open.
func TestUsage(t *testing.T) {
	f := serve(t, testAPI(map[string]Route{defaultKey: {Function: "f", TwoWay: true}}), functions{"f": answers(`{"statusCode":200,"body":"four"}`)}, Options{})
	ws := f.dial(nil)
	ws.say("{}")
	ws.hear()
	f.manage("POST", f.id(), strings.Repeat("x", meteredUnit+1))
	ws.hear()
	f.manage("POST", nobody, "x")
	want := Usage{
		Connections: ConnectionUsage{Open: 1, Accepted: 1, Refused: map[int]int64{}, Closed: map[int]int64{}},
		Messages:    MessageUsage{In: 1, Out: 2, BytesIn: 2, BytesOut: 4 + meteredUnit + 1, UnitsIn: 1, UnitsOut: 3},
		Posts:       map[int]int64{200: 1, 410: 1},
	}
	time.Sleep(time.Millisecond)
	got := f.g.Usage()
	if got.Connections.Seconds < 0.001 || got.Connections.Seconds > 60 {
		t.Errorf("the connection was open for %v s", got.Connections.Seconds)
	}
	if want.Connections.Seconds = got.Connections.Seconds; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want\n%+v", got, want)
	}
	text, err := json.Marshal(f.g.Usage())
	if err != nil || !strings.Contains(string(text), `"posts":{"200":1,"410":1}`) {
		t.Errorf("%s, %v", text, err)
	}
	before := got.Connections.Seconds
	f.g.ResetUsage()
	want = Usage{Connections: ConnectionUsage{Open: 1, Refused: map[int]int64{}, Closed: map[int]int64{}}, Posts: map[int]int64{}}
	got = f.g.Usage()
	if want.Connections.Seconds = got.Connections.Seconds; got.Connections.Seconds >= before || !reflect.DeepEqual(got, want) {
		t.Errorf("after the reset %+v", got)
	}
}
