package restapi

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// anyMethod stands for all methods that have no definition of their own.
const anyMethod = "ANY"

// method is a Method in service.
type method struct {
	Method
	resource *Resource
	bucket   *throttle.Bucket
}

// route is a resource in service.
type route struct {
	segments []string
	methods  map[string]*method
}

// compile gives the API's resources their buckets: a stage's throttle counts method by method.
func (a API) compile() ([]route, error) {
	var routes []route
	for _, r := range a.Resources {
		compiled := route{segments: segments(r.Path), methods: map[string]*method{}}
		for i, segment := range compiled.segments {
			if strings.HasSuffix(segment, "+}") && i < len(compiled.segments)-1 {
				return nil, fmt.Errorf("resource %s: nothing can be below %s", r.Path, segment)
			}
		}
		for name, m := range r.Methods {
			if err := m.check(); err != nil {
				return nil, fmt.Errorf("%s %s: %w", name, r.Path, err)
			}
			m.Timeout = cmp.Or(m.Timeout, IntegrationTimeout)
			service := &method{Method: m, resource: &r}
			if m.Throttle != (throttle.Limit{}) {
				service.bucket = throttle.New(m.Throttle)
			}
			compiled.methods[name] = service
		}
		routes = append(routes, compiled)
	}
	return routes, nil
}

func (m Method) check() error {
	most := IntegrationTimeout
	if m.Stream {
		most = MaxDuration
	}
	if m.Timeout != 0 && (m.Timeout < minTimeout || m.Timeout > most) {
		return fmt.Errorf("the timeout is %v, not %v to %v", m.Timeout, minTimeout, most)
	}
	return nil
}

// segments splits a path. A slash at its end does not count.
func segments(path string) []string {
	path = strings.TrimRight(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// find gives the method that a request is for, with the values of the path's parameters; nil
// if there is none. Of several resources the most specific one is taken that has the method: a
// name goes before a parameter, and that before everything below.
func (g *Gateway) find(name, path string) (*method, map[string]string) {
	var best *method
	var parameters map[string]string
	var rank string
	asked := segments(path)
	for _, r := range g.routes {
		m := r.methods[name]
		if m == nil {
			m = r.methods[anyMethod]
		}
		if found, specific, ok := r.match(asked); m != nil && ok && (best == nil || specific < rank) {
			best, parameters, rank = m, found, specific
		}
	}
	return best, parameters
}

// match compares the segments of a path with the route's. The smaller the rank, the more
// specific it is.
func (r route) match(path []string) (parameters map[string]string, rank string, ok bool) {
	parameters = map[string]string{}
	for i, segment := range r.segments {
		if i >= len(path) {
			return nil, "", false
		}
		name, variable := strings.CutPrefix(segment, "{")
		name = strings.TrimSuffix(name, "}")
		greedy, all := strings.CutSuffix(name, "+")
		switch {
		case variable && all:
			parameters[greedy] = strings.Join(path[i:], "/")
			return parameters, rank + "2", true
		case variable:
			parameters[name] = path[i]
			rank += "1"
		case segment == path[i]:
			rank += "0"
		default:
			return nil, "", false
		}
	}
	return parameters, rank, len(path) == len(r.segments)
}
