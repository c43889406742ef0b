// Package expression is the only place that knows DynamoDB's expression language.
//
// One request has one [Scope], its placeholders #name and :value; from it come the
// request's expressions, each parsed and checked once and then applied to any
// number of items. What is parsed is immutable and safe for concurrent use.
//
// Every error is a ValidationException in the words of AWS, or of Amazon's
// DynamoDB Local where AWS's own are not published. Where an expression has
// several faults, the one that DynamoDB looks for first is reported.
//
// The parser is our own because that of github.com/truora/minidyn, whose list of
// reserved words is used here, departs from DynamoDB's grammar: BETWEEN takes no
// paths, a second condition after a complete one replaces it, :a#b is one name.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
package expression
