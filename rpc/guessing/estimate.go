// Package guessing is about those who guess credentials: it watches for refusals that stand out over all users, and estimates what
// guessing achieves with the present settings.
package guessing

import (
	"fmt"
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

// EstimateArgs are the parameters of domain/estimateGuessing.
type EstimateArgs struct {
	Estimate *bool `json:"estimate"` // false returns only whether there are unusually many refusals, which is fast
}

// Estimate is the reply to domain/estimateGuessing: the most that guessing OTPs can achieve with the current settings.
type Estimate struct {
	Rows        []Row    `json:"rows"`
	Refused     int64    `json:"refused"`               // refused credentials within ten minutes, at the last check
	StandsOut   bool     `json:"standsOut"`             // whether they are much more than usual
	StandsSince string   `json:"standsSince,omitempty"` // since when they are
	Warnings    []string `json:"warnings"`
}

// Row is what guessing achieves with users of one domain and tokens of one product.
type Row struct {
	Domain        string  `json:"domain"`
	Product       string  `json:"product"`
	Users         int64   `json:"users"`         // users who have such tokens
	TokensPerUser int64   `json:"tokensPerUser"` // largest number of tokens, of any product, that one of them has
	Codes         int64   `json:"codes"`         // how many codes a guess may hit on tokens in use
	FirstCodes    int64   `json:"firstCodes"`    // the same on tokens never used
	MistypedADay  int64   `json:"mistypedADay"`  // typing errors a day that do not lock a user
	GuessesAYear  int64   `json:"guessesAYear"`  // guesses per year on one user
	WithoutPIN    float64 `json:"withoutPin"`    // probability per user and year
	RandomPIN     float64 `json:"randomPin"`     // the same with a random PIN of six digits
	ChosenPIN     float64 `json:"chosenPin"`     // the same with a PIN that a person chose
	Passcode      float64 `json:"passcode"`      // how much of WithoutPIN comes from passcodes, if they can be sent
	EmergencyCode float64 `json:"emergencyCode"` // the same for emergency codes, if a user always has as many open ones as the domain allows
	SprayedAYear  float64 `json:"sprayedAYear"`  // accounts that one address can enter
	AllUsersAYear float64 `json:"allUsersAYear"` // accounts that any number of addresses can enter, or one caller if the clients send no remoteIp
}

// Limits for warnings.
const (
	maxGuessing = 1e-2 // more than this probability per user and year
	maxSprayed  = 1    // more than this many accounts per year
	maxMistyped = 5    // fewer typing errors per day than this
)

// Estimate computes what guessing can achieve, with the current settings and tokens.
func (g *Guessing) Estimate(r *http.Request, args *EstimateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	if c.Scope != nil {
		return model.Errorf(model.NotPermitted, "not permitted: the estimate is about all domains")
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		e := Estimate{Rows: []Row{}, Warnings: []string{}, Refused: g.last.Load()}
		since, err := tx.Meta(metaSpraying)
		if err != nil {
			return nil, err
		}
		e.StandsOut, e.StandsSince = len(since) > 0, string(since)
		if args.Estimate != nil && !*args.Estimate {
			return e, nil
		}
		domains, err := tx.Domains()
		if err != nil {
			return nil, err
		}
		products, err := tx.Products()
		if err != nil {
			return nil, err
		}
		held, err := tx.TokenHoldings()
		if err != nil {
			return nil, err
		}
		byID := map[[2]string]store.TokenHoldings{}
		for _, h := range held {
			byID[[2]string{h.DomainID, h.ProductID}] = h
		}
		for i := range domains {
			for j := range products {
				h, ok := byID[[2]string{domains[i].ID, products[j].ID}]
				if ok || len(held) == 0 {
					e.add(&domains[i], &products[j], h)
				}
			}
			e.warn(&domains[i])
		}
		for i := range products {
			for _, n := range products[i].Weak() {
				e.Warnings = append(e.Warnings, fmt.Sprintf("product %s: %s", products[i].Codes(), n))
			}
		}
		short, err := tx.ShortSeeds(model.StrongSeedBytes)
		if err != nil {
			return nil, err
		}
		if short > 0 {
			e.Warnings = append(e.Warnings, fmt.Sprintf("%d tokens: %s", short, model.WeakSeed))
		}
		return e, nil
	}
	return nil
}

// add adds a row. If nobody in the domain has the product, the row is computed for one token.
func (e *Estimate) add(d *model.Domain, p *model.Product, h store.TokenHoldings) {
	tokens := max(1, h.MostTokens)
	guess := model.EstimateGuessing(d, p, tokens)
	row := Row{Domain: d.Name, Product: p.Codes(), Users: h.Users, TokensPerUser: h.MostTokens, Codes: guess.Codes, FirstCodes: guess.First, MistypedADay: guess.Typos,
		GuessesAYear: int64(guess.Guesses), WithoutPIN: guess.Chance(1), RandomPIN: guess.Chance(model.RandomPIN), ChosenPIN: guess.Chance(model.ChosenPIN), Passcode: guess.Passcode(),
		EmergencyCode: guess.EmergencyCode(), SprayedAYear: guess.Sprayed(), AllUsersAYear: guess.Chance(1) * float64(h.Users)}
	e.Rows = append(e.Rows, row)
	if guess.Chance(1) > maxGuessing {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s, product %s: without a PIN, guessing gets in with a chance "+
			"of %.1e per user and year", d.Name, p.Codes(), guess.Chance(1)))
	}
	if guess.Sprayed() >= maxSprayed {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s, product %s: guessing from one address gets into %.1f "+
			"accounts a year of users who have %d tokens", d.Name, p.Codes(), guess.Sprayed(), tokens))
	}
	if guess.Typos < maxMistyped {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s, product %s: a user of %d tokens who mistypes more than %d "+
			"times a day gets locked after a while: let logins name the token",
			d.Name, p.Codes(), tokens, guess.Typos))
	}
}

// warn adds warnings about settings that allow guessing without limits.
func (e *Estimate) warn(d *model.Domain) {
	if d.LockoutThreshold == 0 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s: lockoutThreshold is 0: failed credentials lock nobody "+
			"before maxFailures, so guessing is hardly limited", d.Name))
	}
	if !d.EmergencyCodeNeedsPIN {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s: emergencyCodeNeedsPin is false: an emergency code logs in without the PIN of who has one", d.Name))
	}
	if d.EmergencyCodesMost == 0 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s: emergencyCodesMost is 0: a user may have %d open emergency codes, any of which a guess may hit",
			d.Name, model.MaxUserTempPasses))
	}
	if d.MaxFailures == 0 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("domain %s: maxFailures is 0: failed credentials in a row lock nobody for good", d.Name))
	}
}
