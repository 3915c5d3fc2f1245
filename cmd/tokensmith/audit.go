package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tokensmith/model"
)

func auditCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Check, export and prune the audit record"}
	cmd.AddCommand(auditVerifyCommand(e), auditExportCommand(e), auditPruneCommand(e))
	return cmd
}

func auditVerifyCommand(e *env) *cobra.Command {
	var d database
	var expect string
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that nobody tampered with the audit record; print its number of rows and its head", Args: cobra.NoArgs,
		Long: "Check that no row of the audit record was changed, added, removed or moved by hand. Rows missing at the end are noticed\n" +
			"by comparing with a head, which names the last row of an earlier time: the head that is kept in the key file's folder, at\n" +
			"most a minute old, or the one given by --expect-head, which an earlier verify printed or serve wrote to its log (every\n" +
			"five minutes). --expect-head 0 compares with neither.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var v struct {
				Rows int64
				Head string
			}
			if err := d.exists(); err != nil {
				return err
			}
			params, err := json.Marshal(map[string]any{"expectHead": expect})
			if err != nil {
				return err
			}
			s, st, err := e.methods(cmd.Context(), &d)
			if err != nil {
				return err
			}
			defer st.Close()
			kept, _ := st.KeptHead() // verify reports a head that cannot be read
			if err := resultOf(s.Call(cmd.Context(), "audit/verify", params), &v); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "%d rows, head %s\n", v.Rows, v.Head)
			if expect == "" && kept == "" {
				fmt.Fprintln(e.stderr, "no head is kept next to the key file, so rows missing at the end go unnoticed")
			}
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringVar(&expect, "expect-head", "", "head that an earlier verify printed or serve logged; 0 = compare with none")
	return cmd
}

func auditExportCommand(e *env) *cobra.Command {
	var d database
	var before string
	cmd := &cobra.Command{
		Use: "export", Short: "Print the record, oldest first, one JSON object a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := map[string]any{"sort": []string{"time"}, "cursor": "", "count": false, "max": 10_000}
			if before != "" {
				params["match"] = []any{[]any{"time", "<", before}}
			}
			out := bufio.NewWriter(e.stdout)
			for {
				var page struct {
					Rows []json.RawMessage
					Next string
				}
				if err := e.callFor(cmd, &d, "audit/search", params, &page); err != nil {
					return err
				}
				for _, row := range page.Rows {
					out.Write(append(row, '\n'))
				}
				if page.Next == "" {
					return out.Flush()
				}
				params["cursor"] = page.Next
			}
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringVar(&before, "before", "", "only rows from before this date")
	return cmd
}

// minPrune is how old a row of the audit log must be to be removed. It is longer than the time in which the store may still look
// for the row of a COMMIT whose reply was lost.
const minPrune = time.Minute

func auditPruneCommand(e *env) *cobra.Command {
	var d database
	var before string
	cmd := &cobra.Command{
		Use: "prune --before DATE", Short: "Remove the rows from before a date; the rest still verifies", Args: cobra.NoArgs,
		Long: "Remove the rows of the audit record from before a date. A mark that is signed with the record's key stays in their\n" +
			"place, so the rest still verifies, also against earlier heads. A record that does not verify is not pruned. Export what\n" +
			"you want to keep first.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			moment, ok := model.ParseMoment(before, false)
			if !ok {
				return errors.New("--before must be a date such as 2026-01-31")
			}
			zone, err := d.zone()
			if err != nil {
				return err
			}
			at := moment.In(zone)
			if at.Std().After(time.Now().Add(-minPrune)) {
				return errors.New("--before must be at least a minute ago: the last rows tell what was committed if the database is lost")
			}
			if err := d.exists(); err != nil {
				return err
			}
			s, st, err := e.methods(cmd.Context(), &d)
			if err != nil {
				return err
			}
			defer st.Close()
			fmt.Fprintln(e.stderr, "removing rows from before", at)
			n, err := s.PruneAudit(cmd.Context(), at.Std())
			if err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "%d rows removed\n", n)
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringVar(&before, "before", "", "date, such as 2026-01-31")
	cmd.MarkFlagRequired("before")
	return cmd
}
