package template

import (
	"fmt"
)

// Resource is one resource to be created, its intrinsics resolved: strings,
// json.Number, bool, nil, []any and map[string]any. AWS::NoValue is left out.
type Resource struct {
	LogicalID  string
	Type       string // such as "AWS::DynamoDB::Table"
	Properties map[string]any
	Metadata   map[string]any
}

// Physical is what a created resource is known by to others.
type Physical struct {
	Ref        string            // what Ref gives
	Attributes map[string]string // what Fn::GetAtt gives, by name
	Others     string            // what it gives for all other names; "" makes them an error
}

// Deployment is the outcome of Deploy.
type Deployment struct {
	Outputs   map[string]string
	Resources map[string]Physical // by logical ID; without those whose Condition is false
	Order     []string            // the logical IDs as they were created
}

// Deploy calls create for each resource whose Condition holds, one at a time and
// after all that it refers to or depends on; otherwise in alphabetical order.
//
// Parameters are values by name; one that is missing takes its default. Pseudo
// are the pseudo parameters by name, such as "AWS::Region"; AWS::NoValue needs
// none.
//
// Whatever can be found wrong without creating is found first: unknown names,
// parameters out of bounds, cycles. An error of create ends the walk; what has
// been created stays, as the caller alone knows how to undo it.
func (t *Template) Deploy(parameters, pseudo map[string]string, create func(Resource) (Physical, error)) (*Deployment, error) {
	r, err := t.resolver(parameters, pseudo)
	if err != nil {
		return nil, err
	}
	order, err := t.order(r)
	if err != nil {
		return nil, err
	}
	for _, id := range order {
		if err := r.create(id, t.resources[id], create); err != nil {
			return nil, err
		}
	}
	outputs, err := t.resolveOutputs(r)
	if err != nil {
		return nil, err
	}
	return &Deployment{Outputs: outputs, Resources: r.created, Order: order}, nil
}

// create resolves a resource, whose dependencies exist by now, and creates it.
func (r *resolver) create(id string, written resource, create func(Resource) (Physical, error)) error {
	properties, err := r.object(written.Properties, in(id+".Properties"))
	if err != nil {
		return err
	}
	metadata, err := r.object(written.Metadata, in(id+".Metadata"))
	if err != nil {
		return err
	}
	physical, err := create(Resource{LogicalID: id, Type: written.Type, Properties: properties, Metadata: metadata})
	if err != nil {
		return fmt.Errorf("create %s (%s): %w", id, written.Type, err)
	}
	r.created[id] = physical
	return nil
}

func (t *Template) resolveOutputs(r *resolver) (map[string]string, error) {
	outputs := map[string]string{}
	for _, name := range sorted(t.outputs) {
		holds, err := r.holds(t.outputs[name].Condition)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		value, err := r.text(t.outputs[name].Value, outputLocation(name))
		if err != nil {
			return nil, err
		}
		outputs[name] = value
	}
	return outputs, nil
}

func outputLocation(name string) location { return in("Outputs." + name + ".Value") }
