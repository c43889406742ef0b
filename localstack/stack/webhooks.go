package stack

import (
	"context"
	"strconv"

	destinations "github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/webhook"
)

// webhookKeys gives the keys of all destinations, for the inspector of webhooks. A template without
// destinations has none.
func (s *Stack) webhookKeys(ctx context.Context) (map[string][][]byte, error) {
	table, secret := s.Outputs["DestinationsTable"], s.Outputs["ServiceSecretArn"]
	if table == "" || secret == "" {
		return nil, nil
	}
	text, err := s.secretText(ctx, secret)
	if err != nil {
		return nil, err
	}
	var found struct {
		Items []struct {
			Destination struct{ S string } `json:"destination"`
			Rotations   struct{ N string } `json:"rotations"`
			Name        struct{ S string } `json:"name"`
		}
	}
	settings := map[string]any{
		"TableName": table, "FilterExpression": "topic = :settings AND attribute_exists(version)",
		"ExpressionAttributeValues": map[string]any{":settings": map[string]string{"S": "*"}},
	}
	if err := call(ctx, s.db.Onlooker(), "Scan", settings, &found); err != nil {
		return nil, err
	}
	keys := map[string][][]byte{}
	for _, item := range found.Items {
		of := destinations.Destination{ID: item.Destination.S, Name: item.Name.S}
		of.Rotations, _ = strconv.ParseInt(item.Rotations.N, 10, 64) // 0 if it never was rotated
		keys[of.ID] = [][]byte{webhook.Key([]byte(text), of.Signer(), of.Rotations)}
	}
	return keys, nil
}
