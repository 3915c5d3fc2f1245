package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

const maxParallel = 256

type batchFlags struct {
	callFlags
	out      string
	parallel int
	resume   bool
}

func batchCommand(e *env) *cobra.Command {
	f := &batchFlags{}
	cmd := &cobra.Command{
		Use: "batch FILE", Short: "Carry out a file of calls, each exactly once, even if it is interrupted", Args: cobra.ExactArgs(1),
		Long: "Carry out a file of calls, one {\"method\":...,\"params\":{...}} per line (\"id\" optional), in this process with --db or over\n" +
			"HTTP with --server. The results are {\"line\":N,\"id\":...,\"reply\":{...}}, one per line in the order of the file, on standard\n" +
			"output or in the file of --out. The whole file is checked before the first call. The exit status is 0 only if every call\n" +
			"succeeded.\n" +
			"\n" +
			"After an interruption, even kill -9, run the same command again with --resume: it neither repeats nor skips a line. Each\n" +
			"call has an idempotency key, made from the file's SHA-256 and the line number, which servers remember for a day. So\n" +
			"results that were last written to more than 23 hours ago cannot be resumed. auth/* and the methods that devices call\n" +
			"have no such keys and are not allowed. With --parallel, lines must not depend on one another.",
		Example: "  tokensmith batch calls.jsonl --out results.jsonl --db tokensmith.db",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.chosen(cmd); err != nil {
				return err
			}
			return e.batch(cmd.Context(), f, args[0])
		},
	}
	f.targetFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "file for the results (default: the standard output)")
	flags.IntVar(&f.parallel, "parallel", 1, fmt.Sprintf("calls at a time, 1 to %d", maxParallel))
	flags.BoolVar(&f.resume, "resume", false, "continue where the results in --out end")
	return cmd
}

func (e *env) batch(ctx context.Context, f *batchFlags, path string) error {
	switch {
	case f.parallel < 1 || f.parallel > maxParallel:
		return fmt.Errorf("--parallel must be a number from 1 to %d", maxParallel)
	case f.resume && f.out == "":
		return errors.New("--resume needs --out: it continues where the results end")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	b := &batchRun{env: e, flags: f, file: file, bar: newProgress(e.stderr)}
	if err := b.check(ctx); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if b.results, err = e.openResults(f, b.sum, b.lines); err != nil {
		return err
	}
	f.client = poolFor(f.parallel)
	call, done, err := e.caller(ctx, &f.callFlags)
	if err != nil {
		return errors.Join(err, b.results.unmake())
	}
	defer done()
	b.call = call
	err = b.run(ctx)
	b.bar.clear()
	if closed := b.results.close(); err == nil {
		err = closed
	}
	r := b.results
	switch {
	case err != nil && f.out != "":
		return fmt.Errorf("%w; %d of %d calls are done: run it again with --resume", err, r.done, b.calls)
	case err != nil:
		return fmt.Errorf("%w; %d of %d calls are done", err, r.done, b.calls)
	}
	fmt.Fprintf(e.stderr, "%d calls, %d refused\n", b.calls, r.refused)
	if r.refused > 0 {
		return errRefused
	}
	return nil
}
