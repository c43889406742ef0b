package dynamodb

// localIndexes reads the declarations of a new table's local secondary indexes.
func localIndexes(definitions []indexDefinition, table key, types map[string]attributeType) ([]*index, error) {
	if len(definitions) > maxLocalIndexes {
		return nil, invalidParameter("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocalIndexes)
	}
	if len(definitions) > 0 && !table.sorted() {
		return nil, invalidParameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	var indexes []*index
	for _, d := range definitions {
		own, err := indexKey(d, types)
		switch {
		case err != nil:
			return nil, err
		case !own.sorted():
			return nil, invalidParameter("Index KeySchema does not have a range key for index: %s", d.IndexName)
		case own.hash.name != table.hash.name:
			return nil, invalidParameter("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s",
				d.IndexName, own.hash.name, table.hash.name)
		}
		indexes = append(indexes, newIndex(d, true, table, own))
	}
	return indexes, nil
}

// globalIndexes reads the declarations of a new table's global secondary indexes.
func globalIndexes(definitions []indexDefinition, table key, types map[string]attributeType, onDemand bool) ([]*index, error) {
	if len(definitions) > maxGlobalIndexes {
		return nil, invalidParameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobalIndexes)
	}
	var indexes []*index
	for _, d := range definitions {
		x, err := globalIndex(d, table, types, onDemand)
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, x)
	}
	return indexes, nil
}

func globalIndex(d indexDefinition, table key, types map[string]attributeType, onDemand bool) (*index, error) {
	own, err := indexKey(d, types)
	if err != nil {
		return nil, err
	}
	if err := checkThroughput(d.ProvisionedThroughput, onDemand, d.IndexName); err != nil {
		return nil, err
	}
	return newIndex(d, false, table, own), nil
}

// indexKey checks what local and global indexes have in common, and reads the key.
func indexKey(d indexDefinition, types map[string]attributeType) (key, error) {
	if err := d.Projection.check(); err != nil {
		return key{}, err
	}
	return keyOf(d.KeySchema, types)
}

func (p *projection) check() error {
	switch p.ProjectionType {
	case projectInclude:
		return checkIncluded(p.NonKeyAttributes)
	case "":
		return invalidParameter("Unknown ProjectionType: null")
	}
	if p.NonKeyAttributes != nil {
		return invalidParameter("ProjectionType is %s, but NonKeyAttributes is specified", p.ProjectionType)
	}
	return nil
}

func checkIncluded(attributes []string) error {
	if len(attributes) == 0 {
		return invalidParameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	}
	seen := map[string]bool{}
	for _, name := range attributes {
		if seen[name] {
			return invalidParameter("Duplicate element in NonKeyAttributes: %s", name)
		}
		seen[name] = true
	}
	return nil
}

// checkNames refuses two indexes of one name.
func checkNames(indexes []*index) error {
	seen := map[string]bool{}
	for _, x := range indexes {
		if seen[x.name] {
			return invalidParameter("Duplicate index name: %s", x.name)
		}
		seen[x.name] = true
	}
	return nil
}
