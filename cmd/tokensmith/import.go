package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

const (
	partRows    = 50_000 // how many tokens one call imports
	maxPartRows = 100_000
)

type importFlags struct {
	callFlags
	product, repository, format, onExisting string
	passwordFile, pskFile, crypto, charset  string
	encode                                  string
	ignore                                  []string
	assign, create, dryRun                  bool
	part                                    int
}

func importCommand(e *env) *cobra.Command {
	f := &importFlags{}
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Import a token file of any size", Args: cobra.ExactArgs(1),
		Long: "Import a token file of any size, in this process with --db or over HTTP with --server. The file is read twice. First it\n" +
			"is checked completely: bad rows or a wrong password or key end the import before anything is stored. Then it is imported\n" +
			"in parts, each all or nothing. After an interruption, run the same command again: tokens that exist with the same seed\n" +
			"are left as they are. Seeds are decrypted in this process; they reach the server in calls, and no file.",
		Example: "  tokensmith import seeds.xml --db tokensmith.db --product DN/ST\n" +
			"  tokensmith import keys.pskc --server http://127.0.0.1:8070/das5/rest --password-file pw --create-products",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.chosen(cmd); err != nil {
				return err
			}
			return e.importFile(cmd.Context(), f, args[0])
		},
	}
	f.targetFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.product, "product", "", "product of all tokens, as MANUFACTURERCODE/PRODUCTCODE (default: as the file says)")
	flags.StringVar(&f.repository, "repository", "", "name of the repository (default: \"default\")")
	flags.StringVar(&f.format, "format", "", "format of the file; if not given, it is recognised by its content: "+strings.Join(formatNames(), ", "))
	flags.BoolVar(&f.assign, "assign", false, "assign each token to the user named in the file")
	flags.BoolVar(&f.create, "create-products", false, "create the products that the keys need")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only report what would be done")
	flags.StringVar(&f.onExisting, "on-existing", "same-seed", "what to do with a serial that exists: same-seed (accept it "+
		"if the seed is the same), refuse, skip")
	flags.StringVar(&f.passwordFile, "password-file", "", "file whose first line is the password of an encrypted file")
	flags.StringVar(&f.pskFile, "psk-file", "", "file with the pre-shared key of an encrypted file, in hex")
	flags.StringVar(&f.crypto, "crypto", "", "hash of keys for which the file does not state it: HmacSHA1, HmacSHA256, HmacSHA512")
	flags.StringVar(&f.encode, "encode", "", "encoding of seeds where the file does not state it: HEX, BASE32, BASE64")
	flags.StringVar(&f.charset, "charset", "", "charset of a file that is not UTF-8 and does not say its own: windows-1252 "+
		"(auto: as the file says)")
	flags.StringSliceVar(&f.ignore, "ignore", nil, "unknown columns, parameters and elements to ignore")
	flags.IntVar(&f.part, "part", partRows, fmt.Sprintf("tokens imported at a time, 1 to %d", maxPartRows))
	return cmd
}

func formatNames() []string {
	var names []string
	for _, f := range seedfile.Formats() {
		names = append(names, string(f))
	}
	return names
}

// importFile checks a file and imports it in parts.
func (e *env) importFile(ctx context.Context, f *importFlags, path string) error {
	if f.part < 1 || f.part > maxPartRows {
		return fmt.Errorf("--part must be a number from 1 to %d", maxPartRows)
	}
	opts, err := f.options()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: it must be one, because it is read twice", path)
	}
	im := &fileImport{env: e, flags: f, opts: opts, file: file, size: info.Size(), bar: newProgress(e.stderr)}
	if err := im.check(ctx); err != nil {
		return err
	}
	call, done, err := e.caller(ctx, &f.callFlags)
	if err != nil {
		return err
	}
	defer done()
	im.call = call
	return im.send(ctx)
}

func (f *importFlags) options() (opts seedfile.Options, err error) {
	opts.Format, opts.Ignore, opts.Encoding = seedfile.Format(f.format), f.ignore, seedfile.Encoding(f.encode)
	if f.charset != "" && !strings.EqualFold(f.charset, seedfile.AutoCharset) && seedfile.Charset(f.charset) == nil {
		return opts, fmt.Errorf("--charset: %q is not known", f.charset)
	}
	if f.passwordFile != "" {
		password, err := readPassword(f.passwordFile)
		if err != nil {
			return opts, err
		}
		opts.Password = model.Secret(password)
	}
	if f.pskFile != "" {
		text, err := readText(f.pskFile)
		if err != nil {
			return opts, err
		}
		var reason string
		if opts.PreSharedKey, reason = seedfile.DecodeSeed(text, seedfile.Hex); reason != "" {
			return opts, errors.New("--psk-file: the key " + reason)
		}
	}
	if f.product != "" {
		maker, code, _ := strings.Cut(f.product, "/")
		maker, _ = model.Name.Clean(maker)
		if code, _ = model.Name.Clean(code); maker == "" || code == "" {
			return opts, errors.New("--product must be MANUFACTURERCODE/PRODUCTCODE, such as DN/ST")
		}
		f.product = maker + "/" + code
	}
	return opts, nil
}

// caller returns the function that calls a method, on a server or in this process. done closes it.
func (e *env) caller(ctx context.Context, f *callFlags) (call callFunc, done func(), err error) {
	if f.server != "" {
		return func(ctx context.Context, method, key string, params []byte) ([]byte, error) {
			return callServer(ctx, f, method, key, params)
		}, func() {}, nil
	}
	s, st, err := e.methods(ctx, &f.database)
	if err != nil {
		return nil, nil, err
	}
	// If no server runs on this database, nobody else deletes the expired replies.
	if err := s.DropReplies(ctx); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	guarded, stop := context.WithCancel(ctx)
	go st.WatchSchema(guarded) // an import may take hours, and the database may be migrated meanwhile
	return func(ctx context.Context, method, key string, params []byte) ([]byte, error) {
			return s.CallIdempotent(ctx, method, key, params), nil
		}, func() {
			stop()
			st.Close()
		}, nil
}
