package client

// Ended gives why the client has ended; nil if it has not.
func (c *Client) Ended() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}
