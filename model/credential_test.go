package model_test

import (
	"slices"
	"testing"

	"tokensmith/model"
)

// What one guess may hit is shared by the tokens it is tried at.
func TestShare(t *testing.T) {
	t.Parallel()
	const code = model.Chance(1000)
	used := func(all []model.Credential, which int) []model.Credential {
		for i := range all {
			if all[i].SyncedAt != 0 {
				all[i].SyncedAt = began - model.Time(i)
			}
		}
		all[which].SyncedAt = began + 1
		return all
	}
	pending := tokens("DN/MT", 1, 0)
	pending[0].ResyncStep, pending[0].ResyncUntil = 1, began+1
	eight := tokens("DN/ST", 1, 1)
	for i := range eight {
		eight[i].Digits = 8
	}
	for what, c := range map[string]struct {
		tokens []model.Credential
		most   model.Chance
		want   []int64 // codes
	}{
		"enough for all":                      {tokens("DN/ST", 1, 1), 66 * code, []int64{5, 61}},
		"one less":                            {tokens("DN/ST", 1, 1), 65 * code, []int64{5, 60}},
		"equal parts":                         {tokens("DN/ST", 0, 3), 92 * code, []int64{31, 31, 30}},
		"who has little gives up nothing":     {tokens("DN/SE", 2, 2), 25 * code, []int64{5, 5, 8, 7}},
		"one token, when much was guessed":    {tokens("DN/ST", 0, 1), model.MinGuess, []int64{5}},
		"two":                                 {used(tokens("DN/MT", 2, 0), 1), model.MinGuess, []int64{2, 3}},
		"three":                               {used(tokens("DN/MT", 3, 0), 2), model.MinGuess, []int64{1, 1, 3}},
		"five":                                {tokens("DN/MT", 5, 0), model.MinGuess, []int64{1, 1, 1, 1, 1}},
		"seven, each of which has one":        {tokens("DN/MT", 7, 0), model.MinGuess, []int64{1, 1, 1, 1, 1, 1, 1}},
		"the second of a pair counts":         {pending, model.MinGuess, []int64{5}},
		"eight digits are a hundredth of six": {eight, model.MinGuess, []int64{5, 61}},
		"none":                                {nil, model.MinGuess, nil},
	} {
		model.Share(c.tokens, began, c.most)
		var got []int64
		for i := range c.tokens {
			got = append(got, int64(c.tokens[i].Chance(began)/model.CodeChance(c.tokens[i].Digits)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d codes, not %d", what, got, c.want)
		}
	}
}
