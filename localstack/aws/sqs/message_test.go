package sqs

import "testing"

func TestMD5OfAttributes(t *testing.T) {
	text := "1493147359900"
	for _, c := range []struct {
		attributes map[string]Attribute
		want       string
	}{
		{nil, ""},
		{map[string]Attribute{"timestamp": {DataType: "Number", StringValue: &text}}, "235c5c510d26fb653d073faed50ae77c"},
	} {
		if got := md5OfAttributes(c.attributes); got != c.want {
			t.Errorf("%v has %s, want %s", c.attributes, got, c.want)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add((&message{id: "a", receives: 2, number: 3}).receipt().String())
	f.Add("a/b/c")
	f.Fuzz(func(t *testing.T, handle string) {
		r, err := parseReceipt(handle)
		if err != nil {
			return
		}
		if again, err := parseReceipt(r.String()); err != nil || again != r {
			t.Fatalf("%q names %+v, and %+v", handle, r, again)
		}
	})
}
