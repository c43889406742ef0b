package awsquery_test

import (
	"net/url"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsquery"
)

func TestDecode(t *testing.T) {
	for form, want := range map[string]string{
		"": `{}`,
		"A=1&B.member.1=x&C.entry.1.key=k&C.entry.1.value=v":                                     `{"A":"1","B":["x"],"C":{"k":"v"}}`,
		"L.member.10=j&L.member.2=b&L.member.1=a":                                                `{"L":["a","b","j"]}`,
		"L.member.1.Id=a&L.member.1.M.entry.1.Name=n&L.member.1.M.entry.1.Value.DataType=String": `{"L":[{"Id":"a","M":{"n":{"DataType":"String"}}}]}`,
		"A.member=x":             `{"A":{"member":"x"}}`,
		"A=1&A=2":                `{"A":"1"}`,
		"A=%3Cé%3E":              `{"A":"\u003cé\u003e"}`,
		"A.member.1=x&A.other=y": `{"A":{"member":{"1":"x"},"other":"y"}}`,
	} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := awsquery.Decode(values); err != nil || string(got) != want {
			t.Errorf("%s gave %s, %v, want %s", form, got, err, want)
		}
	}
	for _, form := range []string{"A=1&A.B=2", "A.member.x=1", "A.entry.1.other=x", "A.entry.1=x", "A.member.-1=x"} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := awsquery.Decode(values); err == nil {
			t.Errorf("%s gave %s", form, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("A=1&B.member.1=x&C.entry.1.key=k&C.entry.1.value=v")
	f.Add("A.member.1.B.entry.2.Name=n&A=.")
	f.Fuzz(func(t *testing.T, form string) {
		if values, err := url.ParseQuery(form); err == nil {
			_, _ = awsquery.Decode(values) // must not panic
		}
	})
}
