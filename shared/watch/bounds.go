package watch

import "context"

// What one answer may read before it begins another large read. Each time it looks whether it
// may go on.
const (
	// maxAnswerReads is how many read units an answer may have consumed when it begins to read
	// more of what was missed. That is enough for all that one answer brings: 5 MB of data, as
	// much of the states before, and what 10,000 rows have around it.
	maxAnswerReads = 3_500
	// maxListReads is how many an answer may have consumed when it begins to read the topics
	// of another pattern. So there is room for 500 heads and for some of what was missed, and a
	// client with many patterns comes further with every ping.
	maxListReads = 1_500
)

// afford reports whether the answer may begin another read, as it has consumed fewer units
// than most. ErrTooManyRequests means that the subject has spent what it may.
func (w *work) afford(ctx context.Context, most float64) (bool, error) {
	if err := w.settle(ctx); err != nil {
		return false, err
	}
	reads, _ := w.meter.Units()
	return reads < most, nil
}
