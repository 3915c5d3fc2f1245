package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tokensmith/model/seedfile"
	"tokensmith/store"
)

type callFlags struct {
	database
	server, clientID, clientSecret string
	client                         *http.Client // nil for http.DefaultClient
}

// target identifies where calls are sent, and as whom, by a hash, because the URL of a database may contain a password.
func (f *callFlags) target() string {
	name := "server\n" + f.server + "\n" + f.clientID
	if f.server == "" {
		name = "database\n" + f.url
		if file := store.File(f.url); file != "" {
			if abs, err := filepath.Abs(file); err == nil {
				name = "database\n" + abs
			}
		}
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// callFunc calls a method, on a server or in this process. key is the idempotency key; "" means none.
type callFunc func(ctx context.Context, method, key string, params []byte) ([]byte, error)

func callCommand(e *env) *cobra.Command {
	f := &callFlags{}
	cmd := &cobra.Command{
		Use: "call METHOD [JSON|-]", Short: "Call one method and print its reply", Args: cobra.RangeArgs(1, 2),
		Long: "Call one method and print its reply. With --server, the call goes over HTTP, as the agent with that client id and secret.\n" +
			"With --db, it runs in this process and may do everything, because whoever has the database and its key file may; a server\n" +
			"may be running. The exit status is 0 only if the reply's error is 0.",
		Example: `  tokensmith call token/search '{"match":[["serial","=","10000000"]]}' --db tokensmith.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.chosen(cmd); err != nil {
				return err
			}
			params := "{}"
			if len(args) == 2 {
				params = args[1]
			}
			if params == "-" {
				in, err := seedfile.NewReader(e.stdin, "")
				if err != nil {
					return err
				}
				b, err := io.ReadAll(in)
				if err != nil {
					return err
				}
				params = string(b)
			}
			reply, err := e.call(cmd.Context(), f, strings.TrimPrefix(args[0], "/"), []byte(params))
			if err != nil {
				return err
			}
			fmt.Fprintln(e.stdout, string(reply))
			return refused(reply)
		},
	}
	f.targetFlags(cmd)
	return cmd
}

// targetFlags adds the flags that say where calls are sent: to a server, or to a database that this process opens.
func (f *callFlags) targetFlags(cmd *cobra.Command) {
	f.database.flags(cmd, "")
	f.bulkFlag(cmd)
	cmd.Flags().StringVar(&f.server, "server", "", "address of a server, with its prefix: http://127.0.0.1:8070/das5/rest")
	cmd.Flags().StringVar(&f.clientID, "client-id", "", "client id of the agent that calls the server")
	cmd.Flags().StringVar(&f.clientSecret, "client-secret", "", "its client secret; better given as TOKENSMITH_CLIENT_SECRET")
}

// chosen returns an error unless exactly one target is given.
func (f *callFlags) chosen(cmd *cobra.Command) error {
	switch {
	case f.server != "" && f.url != "":
		return withUsage(cmd, "give --server or --db, not both")
	case f.server == "" && f.url == "":
		return withUsage(cmd, "give --server or --db")
	}
	return nil
}

// refused returns errRefused if an envelope contains an error code.
func refused(reply []byte) error {
	var envelope struct{ Error *int }
	if err := json.Unmarshal(reply, &envelope); err != nil || envelope.Error == nil {
		return errors.New("the reply is not an envelope: is the server a tokensmith, and the address complete?")
	}
	if *envelope.Error != 0 {
		return errRefused
	}
	return nil
}

func (e *env) call(ctx context.Context, f *callFlags, method string, params []byte) ([]byte, error) {
	if f.server != "" {
		return callServer(ctx, f, method, "", params)
	}
	return e.callHere(ctx, &f.database, method, params)
}

// callHere calls a method in-process.
func (e *env) callHere(ctx context.Context, d *database, method string, params []byte) ([]byte, error) {
	if method != "agent/create" { // agent/create may be the first call, and may create the database
		if err := d.exists(); err != nil {
			return nil, err
		}
	}
	s, st, err := e.methods(ctx, d)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return s.Call(ctx, method, params), nil
}

const maxReply = 1 << 30 // bytes

func callServer(ctx context.Context, f *callFlags, method, key string, params []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(f.server, "/")+"/"+method, bytes.NewReader(params))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(strings.TrimSpace(f.clientID), strings.TrimSpace(f.clientSecret))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	client := f.client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxReply))
}
