package main

import (
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"software.sslmate.com/src/go-pkcs12"

	"tokensmith/model"
)

func agentRotateCommand(e *env) *cobra.Command {
	var d database
	var overlap time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use: "rotate NAME", Short: "Give an agent a new client secret, shown only once; the old one stays valid for a while", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var made struct {
				ClientID       string `json:"clientId"`
				ClientSecret   string `json:"clientSecret"`
				OldSecretUntil string `json:"oldSecretUntil"`
			}
			params := map[string]any{"agent": map[string]any{"name": args[0]}, "overlap": int64(overlap.Seconds())}
			if err := e.callFor(cmd, &d, "agent/rotateSecret", params, &made); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(made)
			}
			fmt.Fprintf(e.stdout, "client id       %s\nclient secret   %s\nold one until   %s\n", made.ClientID, made.ClientSecret, made.OldSecretUntil)
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the old secret stays valid")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type certificateFlags struct {
	database
	pem, pfx, passwordFile string
	modern                 bool
	days                   int
}

func agentCertificateCommand(e *env) *cobra.Command {
	f := &certificateFlags{}
	cmd := &cobra.Command{
		Use: "certificate NAME", Short: "Issue a client certificate by which an agent proves itself", Args: cobra.ExactArgs(1),
		Long: "Issue a client certificate with a new key, signed by the built-in authority. The agent then proves itself by it. It is\n" +
			"recognised by the hash of its public key, not by a name in it. Its subject is the agent's subjectDn, or else its name.\n" +
			"Earlier certificates of the agent stay valid: remove them with agent/set.",
		Example: "  tokensmith agent certificate batch --pem batch.pem\n" +
			"  tokensmith agent certificate batch --pfx batch.pfx --pfx-password-file password",
		RunE: func(cmd *cobra.Command, args []string) error { return e.certificate(cmd, f, args[0]) },
	}
	f.flags(cmd, "tokensmith.db")
	flags := cmd.Flags()
	flags.StringVar(&f.pem, "pem", "", "write certificate, authority and key to this file, unencrypted, as curl --cert and OpenSSL read it")
	flags.StringVar(&f.pfx, "pfx", "", "write PKCS#12 to this file, as Java and Windows read it")
	flags.StringVar(&f.passwordFile, "pfx-password-file", "", "file whose first line is the PKCS#12 file's password")
	flags.BoolVar(&f.modern, "pfx-modern", false, "encrypt it with AES and SHA-256, which Java before 8u301 and OpenSSL "+
		"before 1.1 cannot read, instead of 3DES")
	flags.IntVar(&f.days, "days", clientYears*365, "how long it is valid")
	return cmd
}

func (e *env) certificate(cmd *cobra.Command, f *certificateFlags, name string) error {
	if f.pem == "" && f.pfx == "" {
		return errors.New("give --pem or --pfx")
	}
	if f.days < 1 {
		return errors.New("--days must be at least 1")
	}
	password := ""
	if f.pfx != "" {
		if f.passwordFile == "" {
			return errors.New("--pfx needs --pfx-password-file")
		}
		var err error
		if password, err = readPassword(f.passwordFile); err != nil {
			return err
		}
	}
	agent := map[string]any{"name": name}
	var has struct {
		Certificates []string
		SubjectDN    string `json:"subjectDn"`
	}
	if err := e.callFor(cmd, &f.database, "agent/get", map[string]any{"agent": agent, "return": []string{"certificates", "subjectDn"}}, &has); err != nil {
		return err
	}
	subject := pkix.Name{CommonName: name}.ToRDNSequence()
	if has.SubjectDN != "" {
		var ok bool
		if subject, ok = model.ParseSubject(has.SubjectDN); !ok {
			return fmt.Errorf("the agent's subjectDn %q is no subject of a certificate, such as CN=intranet,O=North,C=GB", has.SubjectDN)
		}
	}
	now := time.Now()
	ca, err := f.authority(now)
	if err != nil {
		return err
	}
	made, err := ca.client(subject, now, now.AddDate(0, 0, f.days))
	if err != nil {
		return err
	}
	// Write the files first. A certificate that is registered and not saved is useless; one that is saved and not registered does
	// no harm.
	if err := f.write(made, ca, password); err != nil {
		return err
	}
	attrs := map[string]any{"certificates": append(slices.Clone(has.Certificates), spki(made.cert))}
	if err := e.callFor(cmd, &f.database, "agent/set", map[string]any{"agent": agent, "attrs": attrs}, nil); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "public key's SHA-256 %s, valid until %s\n", spki(made.cert), made.cert.NotAfter.UTC().Format(time.DateOnly))
	return nil
}

// write saves the certificate and its key in the requested files, which only their owner can read.
func (f *certificateFlags) write(made, ca *keyPair, password string) error {
	if f.pem != "" {
		key, err := keyPEM(made.key)
		if err != nil {
			return err
		}
		if err := writePrivate(f.pem, slices.Concat(certPEM(made.cert), certPEM(ca.cert), key), f.pem); err != nil {
			return err
		}
	}
	if f.pfx == "" {
		return nil
	}
	encoder := pkcs12.LegacyDES
	if f.modern {
		encoder = pkcs12.Modern2023
	}
	file, err := made.pfx(encoder, ca, password)
	if err != nil {
		return err
	}
	return writePrivate(f.pfx, file, f.pfx)
}
