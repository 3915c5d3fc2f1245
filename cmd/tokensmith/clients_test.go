package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"tokensmith/model/modeltest"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"software.sslmate.com/src/go-pkcs12"
)

// trusting gives a client's TLS that trusts the built-in authority, and it alone.
func trusting(ts *testscript.TestScript) *tls.Config {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ts.ReadFile("tokensmith.ca.pem"))) {
		ts.Fatalf("no authority")
	}
	return &tls.Config{RootCAs: pool}
}

// callWithPFX calls as a stock http.Client does that has nothing but a PKCS#12 file.
func callWithPFX(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: pfx FILE PASSWORD METHOD BODY")
	}
	key, cert, _, err := pkcs12.DecodeChain([]byte(ts.ReadFile(args[0])), args[1])
	ts.Check(err)
	config := trusting(ts)
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: modeltest.Patience}
	callWith(ts, neg, client, args[2], args[3])
}

// callWithOAuth calls as golang.org/x/oauth2 does, which fetches its token by itself.
func callWithOAuth(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: oauth METHOD BODY")
	}
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(ts)}, Timeout: modeltest.Patience}
	config := clientcredentials.Config{ClientID: ts.Getenv("ID"), ClientSecret: ts.Getenv("SECRET"), TokenURL: ts.Getenv("URL") + "/das5/rest/oauth/token"}
	callWith(ts, neg, config.Client(context.WithValue(context.Background(), oauth2.HTTPClient, plain)), args[0], args[1])
}

func callWith(ts *testscript.TestScript, neg bool, client *http.Client, method, body string) {
	resp, err := client.Post(ts.Getenv("URL")+"/das5/rest/"+method, "application/json", strings.NewReader(body))
	if err != nil {
		if neg {
			fmt.Fprintln(ts.Stdout(), err)
			return
		}
		ts.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), string(reply))
	if (resp.StatusCode != http.StatusOK) != neg {
		ts.Fatalf("%s: %d %s", method, resp.StatusCode, reply)
	}
}

// step is one command of a document and what it says that it prints.
type step struct{ command, prints string }

// chapter reads the commands of a document's chapter: indented lines that begin with "$ ", each with its output.
func chapter(ts *testscript.TestScript, file, name string) (steps []step) {
	text, err := os.ReadFile(file)
	ts.Check(err)
	_, rest, found := strings.Cut(string(text), "\n## "+name+"\n")
	if !found {
		ts.Fatalf("%s has no chapter %q", file, name)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for line := range strings.Lines(rest) {
		code, indented := strings.CutPrefix(line, "    ")
		last := len(steps) - 1
		switch {
		case !indented:
			if last >= 0 && steps[last].command != "" {
				steps = append(steps, step{})
			}
		case strings.HasPrefix(code, "$ "):
			steps = append(steps, step{command: code[2:]})
		case last >= 0 && strings.HasSuffix(steps[last].command, "\\\n"):
			steps[last].command += code
		case last >= 0 && steps[last].command != "":
			steps[last].prints += code
		}
	}
	return steps
}

// paste pastes chapters into an interactive bash line by line, as they stand, but for the address and the program. What a line
// must print stands below it behind "# ".
func paste(ts *testscript.TestScript, _ bool, chapters []string) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	ts.Check(err)
	const end = "--- end of line"
	var lines strings.Builder
	var typed, prints []string
	for _, name := range chapters {
		_, rest, found := strings.Cut(string(text), "\n## "+name+"\n")
		if !found {
			ts.Fatalf("README.md has no chapter %q", name)
		}
		rest, _, _ = strings.Cut(rest, "\n## ")
		for line := range strings.Lines(rest) {
			code, indented := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
			if !indented {
				continue
			}
			code = strings.NewReplacer("http://127.0.0.1:8070", ts.Getenv("URL"), "bin/tokensmith", "tokensmith").Replace(code)
			if out, is := strings.CutPrefix(code, "# "); is {
				prints[len(prints)-1] = out
			} else {
				typed, prints = append(typed, code), append(prints, "")
				fmt.Fprintf(&lines, "    %s\necho '%s'\n", code, end)
			}
		}
	}
	cmd := exec.Command("bash", "--noprofile", "--norc", "-i")
	cmd.Stdin = strings.NewReader(lines.String())
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("README: %v\n%s\n%s", err, out, &complaints)
	}
	parts := strings.Split(string(out), end+"\n")
	for i, line := range typed {
		want := strings.ReplaceAll(regexp.QuoteMeta(prints[i]), `\.\.\.`, ".*")
		if got := strings.TrimSpace(parts[i]); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			ts.Fatalf("README: %s\nprints:\n%s\nnot:\n%s\n%s", line, got, prints[i], &complaints)
		}
	}
}

// readme runs a chapter's commands in one shell, but for the service itself, which runs already. In what they shall
// print "..." stands for anything.
func readme(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: readme CHAPTER [FILE]")
	}
	file := filepath.Join("..", "..", "README.md")
	if len(args) == 2 {
		file = args[1]
	}
	const end = "--- end of step"
	var script strings.Builder
	var run []step
	for _, s := range chapter(ts, file, args[0]) {
		if s.command == "" || strings.HasPrefix(s.command, "tokensmith serve") {
			continue
		}
		run = append(run, s)
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", strings.TrimSuffix(s.command, "\n"), end)
	}
	if len(run) == 0 {
		ts.Fatalf("the chapter %q has no commands", args[0])
	}
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "URL="+ts.Getenv("URL")+"/das5/rest", "PATH="+ts.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("%s: %v\n%s", file, err, out)
	}
	parts := strings.Split(string(out), end+"\n")
	for i, s := range run {
		want := regexp.QuoteMeta(strings.TrimSpace(s.prints))
		if got := strings.TrimSpace(parts[i]); s.prints != "" && !regexp.MustCompile("(?s)^"+strings.ReplaceAll(want, `\.\.\.`, ".*")+"$").MatchString(got) {
			ts.Fatalf("%s: $ %s\nprints:\n%s\nnot:\n%s", file, s.command, got, s.prints)
		}
	}
}
