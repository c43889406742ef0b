package dynamodb

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxConstraints is how many broken constraints AWS's front door reports at once.
const maxConstraints = 10

// constraints collects the members of a request that break the API's model, each by
// itself. AWS's front door checks them before any table is looked up, and reports all of
// them at once, but a table's name alone. at is a member's place, such as "keySchema.1.member.keyType".
//
// Source: https://github.com/aws/aws-sdk-go-v2/blob/main/codegen/sdk-codegen/aws-models/dynamodb.json
type constraints struct {
	names, others []string
}

// err is the ValidationException that names them; nil if there is none.
func (c *constraints) err() error {
	found := c.others
	if len(c.names) > 0 {
		found = c.names
	}
	found = found[:min(len(found), maxConstraints)]
	switch len(found) {
	case 0:
		return nil
	case 1:
		return invalid("1 validation error detected: %s", found[0])
	}
	return invalid("%d validation errors detected: %s", len(found), strings.Join(found, "; "))
}

func broken(value, at, must string) string {
	return fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, at, must)
}

func (c *constraints) add(value, at, must string) {
	c.others = append(c.others, broken(value, at, must))
}

// require wants a member to be there.
func (c *constraints) require(at string, there bool) {
	if !there {
		c.add("null", at, mustNotBeNull)
	}
}

// oneOf checks a member that has a fixed set of values; empty is the default.
func (c *constraints) oneOf(at, value string, set ...string) {
	if value != "" && !slices.Contains(set, value) {
		c.add("'"+value+"'", at, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
	}
}

// among is oneOf for a member that has no default.
func (c *constraints) among(at, value string, set ...string) {
	c.require(at, value != "")
	c.oneOf(at, value, set...)
}

// between checks a number's bounds, both included; nil is the default.
func (c *constraints) between(at string, value *int, least, most int) {
	switch {
	case value == nil:
	case *value < least:
		c.add("'"+strconv.Itoa(*value)+"'", at, "Member must have value greater than or equal to "+strconv.Itoa(least))
	case *value > most:
		c.add("'"+strconv.Itoa(*value)+"'", at, "Member must have value less than or equal to "+strconv.Itoa(most))
	}
}

// length checks how many bytes a text, or how many elements a list has. shown is what the
// error shows of it.
func (c *constraints) length(at, shown string, length, least, most int) {
	c.others = append(c.others, lengths(at, shown, length, least, most)...)
}

func lengths(at, shown string, length, least, most int) []string {
	switch {
	case length < least:
		return []string{broken("'"+shown+"'", at, "Member must have length greater than or equal to "+strconv.Itoa(least))}
	case length > most:
		return []string{broken("'"+shown+"'", at, "Member must have length less than or equal to "+strconv.Itoa(most))}
	}
	return nil
}

// Lengths of names in bytes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.NamingRules
const (
	minNameBytes   = 3 // of a table or an index
	maxNameBytes   = 255
	maxKeyName     = 255 // of an attribute in a key, or of the one that tells when an item expires
	namePattern    = "[a-zA-Z0-9_.-]+"
	mustNotBeNull  = "Member must not be null"
	mustMatchName  = "Member must satisfy regular expression pattern: " + namePattern
	mustBeTableARN = "Valid ARN format is 'arn:<awsPartition>:<vendor>:<region>:<subscriber>:resourceType/resourceName', " +
		"where Resource name must have length less than or equal to 255, " +
		"Resource name must have length greater than or equal to 3, " +
		"Resource name must satisfy regular expression pattern: " + namePattern
)

var validName = regexp.MustCompile("^" + namePattern + "$")

// name checks the name of a new index.
func (c *constraints) name(at, name string) {
	if c.require(at, name != ""); name != "" {
		c.others = append(c.others, nameFaults(at, name, minNameBytes)...)
	}
}

func nameFaults(at, name string, least int) []string {
	faults := lengths(at, name, len(name), least, maxNameBytes)
	if (name != "" || least > 1) && !validName.MatchString(name) {
		faults = append(faults, broken("'"+name+"'", at, mustMatchName))
	}
	return faults
}

// table checks what names a table in an operation on items: its name, of which it need not
// be known that it is too short, or its ARN.
func (c *constraints) table(at string, name *string) { c.tableAt(at, name, 1) }

func (c *constraints) tableAt(at string, name *string, least int) {
	switch {
	case name == nil:
		c.names = append(c.names, broken("null", at, mustNotBeNull))
	case !isARN(*name):
		c.names = append(c.names, nameFaults(at, *name, least)...)
	case bareName(*name) == "":
		c.names = append(c.names, broken("'"+*name+"'", at, mustBeTableARN))
	}
}

// tables checks the names of tables that are the keys of a map.
func (c *constraints) tables(at string, names []string) {
	if len(names) == 0 {
		c.add("'{}'", at, "Member must have length greater than or equal to 1")
	}
	for _, name := range names {
		if isARN(name) && bareName(name) != "" || !isARN(name) && len(nameFaults(at, name, minNameBytes)) == 0 {
			continue
		}
		c.add("'{"+name+"}'", at, "Map keys must satisfy constraint: [Member must have length less than or equal to 255, "+
			"Member must have length greater than or equal to 3, "+mustMatchName+"]")
		return
	}
}

// checkTable checks what names a table in an operation on a table.
func checkTable(name *string) error {
	if name == nil {
		return errNoTableName
	}
	var c constraints
	c.tableAt("tableName", name, minNameBytes)
	return c.err()
}

// checkNewTable checks the name of a table to be, which is no ARN.
func checkNewTable(name *string) error {
	if name == nil {
		return errNoTableName
	}
	c := constraints{names: nameFaults("tableName", *name, minNameBytes)}
	return c.err()
}

func isARN(name string) bool { return strings.HasPrefix(name, "arn:") }

var tableARN = regexp.MustCompile(`^arn:[^:]+:dynamodb:[^:]+:[^:]+:table/([a-zA-Z0-9_.-]{3,255})$`)

// bareName gives the name of a table that a request names by its name or its ARN; "" if
// the ARN is none of a table.
func bareName(name string) string {
	if !isARN(name) {
		return name
	}
	if match := tableARN.FindStringSubmatch(name); match != nil {
		return match[1]
	}
	return ""
}
