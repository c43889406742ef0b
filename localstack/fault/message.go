package fault

import "github.com/watchroute/watchroute/localstack/apigateway"

// Receiving is API Gateway's Receiving: DropSocket.
func (f *Faults) Receiving() apigateway.Fate {
	if f.Hit(DropSocket) {
		return apigateway.Cut
	}
	return apigateway.Arrives
}

// Sending is API Gateway's Sending: LoseFrame and DropSocket.
func (f *Faults) Sending() apigateway.Fate {
	switch {
	case f.Hit(LoseFrame):
		return apigateway.Lost
	case f.Hit(DropSocket):
		return apigateway.Cut
	}
	return apigateway.Arrives
}

// NoDisconnect is API Gateway's NoDisconnect: the fault of that name.
func (f *Faults) NoDisconnect() bool { return f.Hit(NoDisconnect) }
