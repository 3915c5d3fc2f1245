package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tokensmith/model"
	"tokensmith/rpc/guessing"
)

// guessing prints what guessing OTPs can achieve.
func (e *env) guessing(cmd *cobra.Command, d *database) error {
	var g guessing.Estimate
	if err := e.callFor(cmd, d, "domain/estimateGuessing", map[string]any{}, &g); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "domain\tproduct\tusers\ttokens each\tcodes (first)\tguesses a year\tmistyped\tno PIN\trandom PIN\tchosen PIN\tpasscode\temergency\tone address\tmany addresses")
	for _, r := range g.Rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d (%d)\t%d\t%d\t%.1e\t%.1e\t%.1e\t%.1e\t%.1e\t%.2g\t%.2g\n", r.Domain, r.Product, r.Users, r.TokensPerUser, r.Codes, r.FirstCodes,
			r.GuessesAYear, r.MistypedADay, r.WithoutPIN, r.RandomPIN, r.ChosenPIN, r.Passcode, r.EmergencyCode, r.SprayedAYear, r.AllUsersAYear)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, `
tokens each     most tokens, of any product, that one of these users has; a guessed code is tried with each of them
codes           how many codes one guess may hit, after many guesses: those in the windows of all tokens of a user, and a passcode;
                (first): the same for tokens that were not used yet
guesses a year  how many guesses at one user the locks allow
mistyped        how many wrong codes a day, for two years, do not lock a user
no PIN          the chance to get into one user's account within a year, at most, if the user logs in daily and nobody unlocks
random PIN      the same if each token has a random PIN of six digits, which passcodes need as well, and emergency codes unless the domain says otherwise
chosen PIN      the same if people choose the PIN: 10.7 %% choose the most frequent one (N. Berry, PIN analysis, 2012)
passcode        the part of "no PIN" that passcodes make, if somebody has them sent to the user; 0 if the domain sends none
emergency       the part of "no PIN" that emergency codes make, if a user always has as many open ones, made by the server, as the domain allows
one address     accounts that one address gets into within a year, if callers send remoteIp: %d failures a day
many addresses  accounts of all these users that many addresses get into; one address does, if callers send no remoteIp
`, model.MaxAddress)
	for _, warning := range g.Warnings {
		fmt.Fprintln(e.stdout, "warning: "+warning)
	}
	if g.StandsOut {
		fmt.Fprintf(e.stdout, "warning: unusually many credentials are refused since %s: %d within ten minutes\n", g.StandsSince, g.Refused)
	}
	return nil
}
