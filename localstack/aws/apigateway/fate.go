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

// Passage is a message on its way to its function. Wait returns when the function is to get
// it; later messages of the connection may overtake it meanwhile. Ended is told that the
// function has answered, or failed.
type Passage interface {
	Wait()
	Ended()
}

// straight is the passage of a message that nothing holds up.
type straight struct{}

func (straight) Wait()  {}
func (straight) Ended() {}

// passage is how a message comes to its function.
func (c *connection) passage(body string) Passage {
	if c.g.options.Passing == nil {
		return straight{}
	}
	return c.g.options.Passing(c.id, body)
}
