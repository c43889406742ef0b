package dynamodb

import "time"

// Billing modes.
const (
	onDemand    = "PAY_PER_REQUEST"
	provisioned = "PROVISIONED"
)

// throughput is provisioned capacity in units per second. The engine shows it
// and throttles nobody.
type throughput struct {
	ReadCapacityUnits  int64
	WriteCapacityUnits int64
}

func throughputOf(t *throughput) throughput {
	if t == nil {
		return throughput{}
	}
	return *t
}

// billing is how a table is paid for.
type billing struct {
	mode       string
	throughput throughput
	perRequest *time.Time // when it was last switched to on-demand; nil if never
}

func (b billing) onDemand() bool { return b.mode == onDemand }

// billingOf reads the billing mode, which has been checked, and the throughput of a table.
func billingOf(mode string, t *throughput) (billing, error) {
	if mode == "" {
		mode = provisioned
	}
	if mode == provisioned && t == nil {
		return billing{}, invalidParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	if err := checkThroughput(t, mode == onDemand, ""); err != nil {
		return billing{}, err
	}
	return billing{mode: mode, throughput: throughputOf(t)}, nil
}

// checkThroughput demands throughput where capacity is provisioned and refuses it
// elsewhere.
func checkThroughput(t *throughput, onDemand bool, index string) error {
	switch {
	case onDemand && t != nil && *t != throughput{}:
		return invalidParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case onDemand:
		return nil
	case t == nil:
		return invalid("No provisioned throughput specified for index: %s", index)
	case t.ReadCapacityUnits < 1 || t.WriteCapacityUnits < 1:
		return invalidParameter("Provisioned throughput must be at least 1 for reads and writes")
	}
	return nil
}
