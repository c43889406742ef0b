package apigw

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	service   = "execute-api"
	mediaType = "application/octet-stream" // of a frame; calls of other methods have no body
)

// signer signs calls with Signature Version 4. Its signatures are the SDK's, byte for byte. It
// computes only once what all calls of one second have in common. Safe for concurrent use.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type signer struct {
	host   string // as in the header Host
	path   string // before a connection's id, as in the request
	region string
	last   atomic.Pointer[signingSecond]
}

// signature is what signing adds to a call.
type signature struct {
	date          string // X-Amz-Date
	token         string // X-Amz-Security-Token; "" for none
	authorization string // Authorization
}

// addTo sets the headers.
func (s signature) addTo(h http.Header) {
	h.Set("X-Amz-Date", s.date)
	if s.token != "" {
		h.Set("X-Amz-Security-Token", s.token)
	}
	h.Set("Authorization", s.authorization)
}

// sign signs a call for a connection, whose id is escaped as in the request.
func (s *signer) sign(credentials aws.Credentials, method, id string, frame watch.Frame, now time.Time) (signature, error) {
	second := s.last.Load()
	if second == nil || second.unix != now.Unix() || !second.of(credentials) {
		if !printable(credentials.AccessKeyID) || !printable(credentials.SessionToken) {
			return signature{}, errUnprintable
		}
		second = s.second(credentials, now)
		s.last.Store(second)
	}
	return signature{second.date, credentials.SessionToken, second.authorize(method, id, frame)}, nil
}

var errUnprintable = errors.New("credentials have characters that a header cannot have")

// printable reports whether a text is visible ASCII, without spaces.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// signingSecond holds what all calls of one second have in common.
type signingSecond struct {
	unix        int64
	credentials aws.Credentials
	date        string
	path        string // canonical, before a connection's id
	headers     string // canonical, without those that describe the body
	names       string // of the same headers
	toSign      string // before the hash of the canonical request
	credential  string // the beginning of the header Authorization
	pens        sync.Pool
}

// pen holds the hash and the buffers for one signature.
type pen struct {
	mac hash.Hash // keyed
	buf []byte
}

// second prepares the calls of a second.
func (s *signer) second(credentials aws.Credentials, now time.Time) *signingSecond {
	date := now.UTC().Format("20060102T150405Z")
	scope := date[:8] + "/" + s.region + "/" + service + "/aws4_request"
	key := []byte("AWS4" + credentials.SecretAccessKey)
	for _, part := range []string{date[:8], s.region, service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	second := &signingSecond{
		unix: now.Unix(), credentials: credentials, date: date,
		path:       string(appendCanonical(nil, s.path)),
		headers:    "host:" + s.host + "\nx-amz-date:" + date + "\n",
		names:      "host;x-amz-date",
		toSign:     algorithm + "\n" + date + "\n" + scope + "\n",
		credential: algorithm + " Credential=" + credentials.AccessKeyID + "/" + scope + ", SignedHeaders=",
		pens:       sync.Pool{New: func() any { return &pen{mac: hmac.New(sha256.New, key)} }},
	}
	if credentials.SessionToken != "" {
		second.headers += "x-amz-security-token:" + credentials.SessionToken + "\n"
		second.names += ";x-amz-security-token"
	}
	return second
}

// of reports whether the second was prepared with these credentials.
func (s *signingSecond) of(c aws.Credentials) bool {
	return s.credentials.AccessKeyID == c.AccessKeyID && s.credentials.SecretAccessKey == c.SecretAccessKey &&
		s.credentials.SessionToken == c.SessionToken
}

// authorize gives the header Authorization of a call.
func (s *signingSecond) authorize(method, id string, frame watch.Frame) string {
	p := s.pens.Get().(*pen)
	defer s.pens.Put(p)
	p.buf = s.appendRequest(p.buf[:0], method, id, frame)
	sum := sha256.Sum256(p.buf)
	p.buf = hex.AppendEncode(append(p.buf[:0], s.toSign...), sum[:])
	p.mac.Reset()
	p.mac.Write(p.buf)
	p.buf = p.mac.Sum(p.buf[:0])
	p.buf = append(p.buf, s.credential...)
	p.buf = s.appendNames(p.buf, method, frame)
	p.buf = append(p.buf, ", Signature="...)
	p.buf = hex.AppendEncode(p.buf, p.buf[:sha256.Size])
	return string(p.buf[sha256.Size:])
}

// appendRequest appends the canonical form of a call.
func (s *signingSecond) appendRequest(b []byte, method, id string, frame watch.Frame) []byte {
	b = append(append(b, method...), '\n')
	b = append(b, s.path...)
	b = append(appendCanonical(b, id), "\n\n"...) // there is no query
	if len(frame.Body) > 0 {
		b = append(b, "content-length:"...)
		b = append(strconv.AppendInt(b, int64(len(frame.Body)), 10), '\n')
	}
	if typed(method) {
		b = append(b, "content-type:"+mediaType+"\n"...)
	}
	b = append(append(b, s.headers...), '\n')
	b = append(s.appendNames(b, method, frame), '\n')
	return append(b, frame.SHA256...)
}

// appendNames appends the names of the headers that are signed.
func (s *signingSecond) appendNames(b []byte, method string, frame watch.Frame) []byte {
	if len(frame.Body) > 0 {
		b = append(b, "content-length;"...)
	}
	if typed(method) {
		b = append(b, "content-type;"...)
	}
	return append(b, s.names...)
}

// appendCanonical appends a path and escapes all characters that are not unreserved. A path that is
// escaped already is escaped again.
func appendCanonical(b []byte, path string) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range []byte(path) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}
