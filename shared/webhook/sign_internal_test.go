package webhook

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// TestPublishedVector is the one of the specification's own libraries.
func TestPublishedVector(t *testing.T) {
	const secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	reference, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	id, at, body := "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)
	if Secret(key) != "whsec_"+secret {
		t.Errorf("the key is written %s", Secret(key))
	}
	got, want := signatures([][]byte{key}, id, at, body), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if theirs, err := reference.Sign(id, at, body); got != want || theirs != want || err != nil {
		t.Errorf("signed %s, the reference signs %s, %v; want %s", got, theirs, err, want)
	}
}

// FuzzSignatures: the reference library takes what each key signs, and nothing else.
func FuzzSignatures(f *testing.F) {
	f.Add("msg_1", int64(1614265330), []byte(`{"a":1}`), []byte("0123456789abcdef01234567"))
	f.Add("", int64(-1), []byte("\x00.\xff"), []byte{})
	f.Fuzz(func(t *testing.T, id string, seconds int64, body, key []byte) {
		keys := [][]byte{append([]byte("new"), key...), key}
		if id == "" {
			id = "x" // the reference wants one
		}
		signed := http.Header{}
		signed.Set(standardwebhooks.HeaderWebhookID, id)
		signed.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(seconds, 10))
		signed.Set(standardwebhooks.HeaderWebhookSignature, signatures(keys, id, time.Unix(seconds, 0), body))
		for _, key := range keys {
			reference, err := standardwebhooks.NewWebhook(Secret(key))
			if err != nil {
				t.Fatal(err)
			}
			if err := reference.VerifyIgnoringTimestamp(body, signed); err != nil {
				t.Errorf("%q at %d with the body %q and the key %x: %v", id, seconds, body, key, err)
			}
			if reference.VerifyIgnoringTimestamp([]byte(string(body)+"x"), signed) == nil {
				t.Errorf("%q at %d: the body %q may be changed", id, seconds, body)
			}
		}
		other, err := standardwebhooks.NewWebhookRaw(append([]byte("other"), key...))
		if err != nil || other.VerifyIgnoringTimestamp(body, signed) == nil {
			t.Errorf("%q at %d: another key is taken too, %v", id, seconds, err)
		}
	})
}

// TestKeysStayWhatTheyAre: a destination's owner has the secret and must not need another one
// after we have changed our code.
func TestKeysStayWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		secret, id string
		rotations  int64
		want       string
	}{
		{"0123456789abcdef0123456789abcdef", "01J9", 0, "340cb06e7a9e3fa2d7775dc100309bd91d459db06adff0a1528e985fb0946dd6"},
		{"0123456789abcdef0123456789abcdef", "01J8", 0, "a32ea4eb2b5a2d6e40fa5d5012c92abcb7f89633f8c18ba0dd6852a3a1361ae2"},
		{"another secret of the service ...", "01J9", 0, "bcb7a69426fcaca0e8b3a2f10a03bf7b8507002f1937a1bac2cf735b8fa3e7ac"},
		{"0123456789abcdef0123456789abcdef", "01J9", 1, "9c9b897903fc11fe60b8ab862a384a15d6f4e4a27cfb399a02ef2439287c5c31"},
		{"0123456789abcdef0123456789abcdef", "01J9", 12, "b6fcc146b657de1db4ecf7775c6e0da07f81970d74b5949dcf21e0b2ca8fe818"},
	} {
		if got := hex.EncodeToString(Key([]byte(c.secret), c.id, c.rotations)); got != c.want {
			t.Errorf("the key %d of %s under %q is %s, want %s", c.rotations, c.id, c.secret, got, c.want)
		}
	}
}
