package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tokensmith/model"
	"tokensmith/rpc/login"
)

// guessing prints what guessing OTPs can achieve.
func (e *env) guessing(cmd *cobra.Command, d *database) error {
	var g login.Guessing
	if err := e.callFor(cmd, d, "domain/estimateGuessing", map[string]any{}, &g); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "domain\tproduct\tusers\ttokens each\tcodes (first)\tguesses a year\tmistyped\tno PIN\trandom PIN\tchosen PIN\tpasscode\tone address\tmany addresses")
	for _, r := range g.Rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d (%d)\t%d\t%d\t%.1e\t%.1e\t%.1e\t%.1e\t%.2g\t%.2g\n", r.Domain, r.Product, r.Users, r.TokensPerUser, r.Codes, r.FirstCodes,
			r.GuessesAYear, r.MistypedADay, r.WithoutPIN, r.RandomPIN, r.ChosenPIN, r.Passcode, r.SprayedAYear, r.AllUsersAYear)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, `
tokens each     that one of these users has, at most, of whatever product: a code is tried at each of them
codes           that one guess may hit, where many were made: of the windows that all tokens of one user share, and a passcode;
                first, where the tokens were not used yet
mistyped        codes a day, for years, that do not lock a person
no PIN          the chance to enter a user's account within a year, at most; the user logs in once a day, nobody unlocks
random PIN      the same where each token has a random PIN of six digits, which passcodes need as well
chosen PIN      the same where the PIN is one that people choose: 10.7 %% of them the most frequent (N. Berry, PIN analysis, 2012)
passcode        what of "no PIN" is by passcodes, where somebody has them sent to the user; 0 where the domain sends none
one address     accounts that one address enters within a year, if callers send remoteIp: %d failures a day
many addresses  accounts of all these users that any number of addresses enter, and one where callers send no remoteIp
`, model.MaxAddress)
	for _, warning := range g.Warnings {
		fmt.Fprintln(e.stdout, "warning: "+warning)
	}
	if g.StandsOut {
		fmt.Fprintf(e.stdout, "warning: refused credentials stand out since %s: %d within ten minutes\n", g.StandsSince, g.Refused)
	}
	return nil
}
