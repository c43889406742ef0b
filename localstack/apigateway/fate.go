package apigateway

// Fate is what becomes of a message.
type Fate int

// The fates of messages.
const (
	Arrives Fate = iota
	// Lost messages are taken and go nowhere; who sent them is told nothing of it, and
	// they count as any other.
	Lost
	// Cut ends the client's TCP connection without a close frame. A message to the
	// client is lost with it; the function still gets one that came from it.
	Cut
)

// decided asks for a message's fate.
func decided(ask func() Fate) Fate {
	if ask == nil {
		return Arrives
	}
	return ask()
}
