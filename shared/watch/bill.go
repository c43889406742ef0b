package watch

import "context"

// bill is what one request has cost so far, and who pays for it.
type bill struct {
	allowance *Allowance
	who       Key // whose allowance pays
	meter     *Meter
	settled   float64 // the part of the cost that was charged
}

// newBill gives the bill of a request, and the context whose calls of the stores it counts.
func newBill(ctx context.Context, allowance *Allowance, who Key) (context.Context, *bill) {
	ctx, meter := Metered(ctx)
	return ctx, &bill{allowance: allowance, who: who, meter: meter}
}

// settle charges for what the request has cost since it was last settled.
func (b *bill) settle(ctx context.Context) error {
	spent := b.meter.spent()
	owed := spent - b.settled
	b.settled = spent
	return b.allowance.charge(ctx, b.who, owed)
}
