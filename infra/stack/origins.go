package stack

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/jsii-runtime-go"

	settings "github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/origin"
)

// maxOrigins is how long AllowedOrigins may be together, in bytes: half of what Lambda
// takes for all environment variables of a function.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxOrigins = 2 << 10

// originFaults reports every origin that no browser would send, and origins that nobody
// would check.
func (p Props) originFaults() []error {
	var faults []error
	for _, text := range p.AllowedOrigins {
		if _, err := origin.Parse(text); err != nil {
			faults = append(faults, fmt.Errorf("AllowedOrigins: %w", err))
		}
	}
	if n := len(strings.Join(p.AllowedOrigins, ",")); n > maxOrigins {
		faults = append(faults, fmt.Errorf("AllowedOrigins take %d bytes, more than %d", n, maxOrigins))
	}
	if len(p.AllowedOrigins) > 0 && p.Auth.OpenToEveryone {
		faults = append(faults, errors.New("AllowedOrigins need an authorizer that checks them, and Auth is open to everyone"))
	}
	return faults
}

// originSettings are what the authorizer needs to know of origins.
func originSettings(p Props) map[string]*string {
	if len(p.AllowedOrigins) == 0 {
		return nil
	}
	return map[string]*string{settings.AllowedOrigins: jsii.String(strings.Join(p.AllowedOrigins, ","))}
}
