package model_test

import (
	"slices"
	"testing"

	"tokensmith/model"
)

// TestShare: the probability of one guess is shared by the tokens that it is tried on.
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

// TestBound: of many tokens with wide windows, each gives up OTPs that are far away, and none that log in at once.
func TestBound(t *testing.T) {
	t.Parallel()
	wide := func(n int, window int64) []model.Credential {
		all := tokens("DN/ST", 1, n-1)
		for i := range all {
			all[i].CheckWindow = window
		}
		return all
	}
	eight := wide(300, 10_000)
	for i := range eight {
		eight[i].Digits, eight[i].AutoWindow = 8, 10_000
	}
	uneven := append(wide(40, 10_000), wide(100, 60)...)
	for what, c := range map[string]struct {
		tokens []model.Credential
		most   []int64 // for the first and the last token
	}{
		"one":        {wide(1, 10_000), []int64{0, 0}},
		"two":        {wide(2, 10_000), []int64{0, 0}},
		"three":      {wide(3, 10_000), []int64{16_666, 16_666}},
		"413":        {wide(413, 60), []int64{0, 0}},
		"414":        {wide(414, 60), []int64{120, 120}},
		"uneven":     {uneven, []int64{947, 947}},
		"100,000":    {wide(100_000, 60), []int64{1, 1}},
		"many codes": {eight, []int64{166, 166}},
	} {
		model.Share(c.tokens, began, 300*1000)
		model.Bound(c.tokens, began)
		sum, codes := int64(0), int64(0)
		for i := range c.tokens {
			n := &c.tokens[i]
			all := n.OTP().Compared(int(max(n.CheckWindow, n.AutoWindow)))
			if n.Search.Limit > 0 {
				all = min(all, n.Search.Limit)
			}
			has := int64(n.Chance(began) / model.CodeChance(n.Digits))
			if has > all {
				t.Errorf("%s: %d OTPs log in, %d are looked at", what, has, all)
			}
			sum, codes = sum+all, codes+has
		}
		if sum > max(model.MaxCompared, codes) {
			t.Errorf("%s: %d are looked at", what, sum)
		}
		if got := []int64{c.tokens[0].Search.Limit, c.tokens[len(c.tokens)-1].Search.Limit}; !slices.Equal(got, c.most) {
			t.Errorf("%s: %d, not %d", what, got, c.most)
		}
	}
}
