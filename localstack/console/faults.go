package console

import (
	"net/http"

	"github.com/watchroute/watchroute/localstack/fault"
)

// kindOf is what is told of a kind of fault.
type kindOf struct {
	fault.About
	Rate  float64 `json:"rate"`
	Count int64   `json:"count"` // how often it has happened
}

// faults lists what may be broken, and how often it is.
func (o Options) faults(*http.Request) (any, error) {
	rates, counts := o.Faults.Rates(), o.Faults.Counts()
	kinds := []kindOf{}
	if o.Faults != nil {
		for _, about := range fault.Kinds() {
			kinds = append(kinds, kindOf{about, rates[about.Kind], counts[about.Kind]})
		}
	}
	return map[string]any{"kinds": kinds, "flags": o.Faults.String()}, nil
}

// setFaults changes rates, all or none of those that are named.
func (o Options) setFaults(r *http.Request, body []byte) (any, error) {
	var asked struct {
		Rates fault.Plan `json:"rates"`
	}
	if err := read(body, &asked); err != nil {
		return nil, err
	}
	if o.Faults == nil {
		return nil, refuse(http.StatusConflict, "this stack was started without faults")
	}
	if err := asked.Rates.Check(); err != nil {
		return nil, refuse(http.StatusBadRequest, "%w", err)
	}
	o.Faults.Set(asked.Rates)
	return o.faults(r)
}
