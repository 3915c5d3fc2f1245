package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tokensmith/model/modeltest"
	"tokensmith/rpc/sender/sendertest"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"tokensmith": main, "emptyhandler": emptyHandler})
}

// tests deletes what was built for the tests.
type tests struct{ *testing.M }

func (m tests) Run() int {
	defer func() { os.RemoveAll(built) }()
	return m.M.Run()
}

// TestScripts runs scripts that use the binary from outside. In addition to testscript's own commands there are:
//
//	service [flags]        starts "tokensmith serve" on a free port; $URL, $ID and $SECRET are then set
//	halt [signal]          stops it (TERM) and waits; its output is in service.out and service.log
//	post METHOD BODY       posts as the first agent; the reply is then stdout
//	json PATH PATTERN      the value at a dotted path of stdout matches
//	let NAME PATH          stores the value at a path of stdout in $NAME
//	otp NAME ARGS          stores the output of oathtool in $NAME
//	readenv NAME FILE      stores the text of a file in $NAME
//	readme [FILE] CHAPTER...
//	                       runs the commands of a document's chapters in one shell, and compares what they print
//	paste [FILE] CHAPTER...
//	                       pastes chapters into a shell line by line, and compares what they print
//	relay                  starts a mail relay; $RELAY is its address
//	mail FILE              waits for the next mail and writes it to a file
//	chromium URL FILE      opens a page in a browser, writes its text to a file, and a screenshot to FILE.png
//	pfx FILE PASSWORD METHOD BODY, oauth METHOD BODY
//	                       call with standard Go clients; the reply is then stdout
//
// The condition [ci] is true if CI is set.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values["service"] = &served{}
			// A database with the schema of the first release, for scripts that migrate.
			old, err := filepath.Abs("../../testdata/schema/0003.sql")
			if err != nil {
				return err
			}
			env.Setenv("SCHEMA3", old)
			unit, err := filepath.Abs("packaging/tokensmith.service")
			if err != nil {
				return err
			}
			env.Setenv("UNIT", unit)
			env.Defer(func() { env.Values["service"].(*served).kill() })
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "ci" {
				return false, fmt.Errorf("no such condition: %s", name)
			}
			return os.Getenv("CI") != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"service": startService, "halt": stopService, "post": post, "json": checkJSON, "let": let, "otp": oathtool, "readenv": readEnv,
			"relay": startRelay, "mail": nextMail, "chromium": browse, "readme": readme, "paste": paste, "pfx": callWithPFX, "oauth": callWithOAuth,
		},
	})
}

type served struct {
	cmd    *exec.Cmd
	ended  chan error
	stdout *os.File
	stderr *os.File
}

func (s *served) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		<-s.ended
		s.cmd = nil
	}
}

func startService(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("service").(*served)
	if s.cmd != nil {
		ts.Fatalf("the service runs already")
	}
	exe, err := exec.LookPath("tokensmith")
	if path := ts.Getenv("PATH"); err != nil {
		for _, dir := range filepath.SplitList(path) {
			if _, e := os.Stat(filepath.Join(dir, "tokensmith")); e == nil {
				exe = filepath.Join(dir, "tokensmith")
			}
		}
	}
	s.cmd = exec.Command(exe, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Env = append(os.Environ(), "TOKENSMITH_SHOW_FIRST_SECRET=true")
	// Its own process group, so that a signal to the test does not reach the server.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.stdout, err = os.Create(ts.MkAbs("service.out"))
	ts.Check(err)
	s.stderr, err = os.Create(ts.MkAbs("service.log"))
	ts.Check(err)
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	ts.Check(s.cmd.Start())
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	listening := regexp.MustCompile(`(?m)^listening on (http\S+)`)
	for deadline := time.Now().Add(modeltest.Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		out := ts.ReadFile("service.out")
		if m := listening.FindStringSubmatch(out); m != nil {
			ts.Setenv("URL", m[1])
			if m := regexp.MustCompile(`(?m)^auth listening on (http\S+)`).FindStringSubmatch(out); m != nil {
				ts.Setenv("AUTHURL", m[1])
			}
			if m := regexp.MustCompile(`curl -u '([^:]+):([^']+)'`).FindStringSubmatch(out); m != nil {
				ts.Setenv("ID", m[1])
				ts.Setenv("SECRET", m[2])
			}
			if neg {
				ts.Fatalf("the service started")
			}
			return
		}
		select {
		case err := <-s.ended:
			s.cmd = nil
			if !neg {
				ts.Fatalf("the service ended: %v\n%s", err, ts.ReadFile("service.log"))
			}
			return
		default:
		}
	}
	ts.Fatalf("the service does not listen")
}

func stopService(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("service").(*served)
	if s.cmd == nil {
		ts.Fatalf("no service runs")
	}
	signal := syscall.SIGTERM
	if len(args) == 1 && args[0] == "KILL" {
		signal = syscall.SIGKILL
	}
	ts.Check(s.cmd.Process.Signal(signal))
	err := <-s.ended
	s.cmd = nil
	if signal == syscall.SIGTERM && (err != nil) != neg {
		ts.Fatalf("the service ended with %v\n%s", err, ts.ReadFile("service.log"))
	}
}

func post(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: post METHOD BODY|@FILE")
	}
	body := args[1]
	if file, ok := strings.CutPrefix(body, "@"); ok {
		body = ts.ReadFile(file)
	}
	r, err := http.NewRequest(http.MethodPost, ts.Getenv("URL")+"/das5/rest/"+args[0], strings.NewReader(body))
	ts.Check(err)
	r.SetBasicAuth(ts.Getenv("ID"), ts.Getenv("SECRET"))
	ctx, stop := context.WithTimeout(context.Background(), modeltest.Patience)
	defer stop()
	resp, err := http.DefaultClient.Do(r.WithContext(ctx))
	if err != nil {
		if neg {
			return
		}
		ts.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), string(reply))
	var envelope struct{ Error *int }
	if err := json.Unmarshal(reply, &envelope); err != nil || envelope.Error == nil {
		ts.Fatalf("no envelope: %.300s", reply)
	}
	if (*envelope.Error != 0) != neg {
		ts.Fatalf("%s %.300s: %.500s", args[0], body, reply)
	}
}

// at returns the value at a dotted path in the last output.
func at(ts *testscript.TestScript, path string) string {
	var v any
	d := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile("stdout"))))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("stdout is not JSON: %v", err)
	}
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i := -1
			fmt.Sscan(part, &i)
			if i < 0 || i >= len(x) {
				ts.Fatalf("no element %s of %s", part, path)
			}
			v = x[i]
		default:
			ts.Fatalf("no %s in %s", part, path)
		}
	}
	return fmt.Sprint(v)
}

func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH PATTERN")
	}
	value := at(ts, args[0])
	if regexp.MustCompile("^(?:"+args[1]+")$").MatchString(value) == neg {
		ts.Fatalf("%s is %q", args[0], value)
	}
}

func let(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: let NAME PATH")
	}
	ts.Setenv(args[0], at(ts, args[1]))
}

func readEnv(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], ts.ReadFile(args[1]))
}

func oathtool(ts *testscript.TestScript, _ bool, args []string) {
	out, err := exec.Command("oathtool", args[1:]...).CombinedOutput()
	if err != nil {
		ts.Fatalf("oathtool: %v: %s", err, out)
	}
	ts.Setenv(args[0], strings.TrimSpace(string(out)))
}

// scripted adapts a script to the interface of a test.
type scripted struct{ *testscript.TestScript }

func (s scripted) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

func (s scripted) Cleanup(f func()) { s.Defer(f) }

func startRelay(ts *testscript.TestScript, _ bool, _ []string) {
	r := sendertest.NewRelay(scripted{ts})
	relays.Store(ts, r)
	ts.Defer(func() { relays.Delete(ts) })
	ts.Setenv("RELAY", r.Addr)
}

var relays sync.Map // of *sendertest.Relay, by script

func nextMail(ts *testscript.TestScript, _ bool, args []string) {
	r, ok := relays.Load(ts)
	if !ok || len(args) != 1 {
		ts.Fatalf("usage: relay, then: mail FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(r.(*sendertest.Relay).Wait(scripted{ts})), 0o600))
}

// browse shows a page in a headless browser. For root it runs without the sandbox, which root cannot use.
func browse(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: chromium URL FILE")
	}
	flags := []string{"--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-quic", "--user-data-dir=" + ts.MkAbs("browser"), "--virtual-time-budget=5000", "--window-size=390,844"}
	if os.Getuid() == 0 {
		flags = append(flags, "--no-sandbox")
	}
	file := ts.MkAbs(args[1])
	text, err := exec.Command("chromium", append(flags, "--screenshot="+file+".png", "--dump-dom", args[0])...).Output()
	ts.Check(err)
	ts.Check(os.WriteFile(file, text, 0o600))
}
