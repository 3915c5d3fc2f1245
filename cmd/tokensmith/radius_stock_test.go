package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// radiusSite is a server with users u0 and u1 and their tokens, to be asked by programs that others have written.
type radiusSite struct {
	t       *testing.T
	p       *process
	args    []string // of a command that uses the database
	dir     string
	counter uint64
}

func newRadiusSite(t *testing.T, more ...string) *radiusSite {
	t.Helper()
	dir := t.TempDir()
	s := &radiusSite{t: t, dir: dir, args: []string{"--db", storetest.SQLite(t), "--key-file", filepath.Join(dir, "key")}}
	s.p = &process{t: t, args: append(append([]string{"--radius-listen", "127.0.0.1:0"}, s.args...), more...), out: filepath.Join(dir, "out")}
	s.p.start()
	t.Cleanup(s.p.kill)
	s.call("domain/create", `{"attrs":{"name":"d"}}`)
	s.call("user/create", `{"attrs":{"domain.name":"d","loginName":"u0","password":"correct horse battery"}}`)
	s.call("token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","seed":"%x","user.loginName":"u0"}}`, seedOf(0)))
	return s
}

// call calls a method in a process of its own, beside the server.
func (s *radiusSite) call(method, params string) map[string]any {
	s.t.Helper()
	out, err := exec.Command(binary(s.t), append([]string{"call", method, params}, s.args...)...).CombinedOutput()
	var e struct {
		Error  *int
		Result map[string]any
	}
	if err != nil || json.Unmarshal(out, &e) != nil || e.Error == nil || *e.Error != 0 {
		s.t.Fatalf("%s: %v %s", method, err, out)
	}
	return e.Result
}

// otp returns the next OTP of u0.
func (s *radiusSite) otp() string {
	s.counter++
	return otp.Generate(seedOf(0), s.counter-1, hotp)
}

// radclient asks with Debian's radclient, and returns what it prints.
func (s *radiusSite) radclient(at, kind, secret, request string) string {
	s.t.Helper()
	cmd := exec.Command(modeltest.Tool(s.t, "radclient"), "-x", "-t", "20", "-r", "3", at, kind, secret)
	cmd.Stdin = strings.NewReader(request + "\n")
	out, _ := cmd.CombinedOutput() // its exit code tells a refusal as well
	return string(out)
}

// unanswered is radclient for a request that gets no reply: it does not wait long.
func (s *radiusSite) unanswered(at, secret, request string) string {
	cmd := exec.Command(modeltest.Tool(s.t, "radclient"), "-x", "-t", "1", "-r", "2", at, "auth", secret)
	cmd.Stdin = strings.NewReader(request + "\n")
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// says fails the test unless what a program printed has a text.
func (s *radiusSite) says(out, want string) {
	s.t.Helper()
	if !strings.Contains(out, want) {
		log, _ := os.ReadFile(s.p.out)
		s.t.Fatalf("no %q in:\n%s\n%s", want, out, log)
	}
}

// recipe returns the block of code that follows a text in the chapter RADIUS of the README.
func recipe(t *testing.T, behind string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## RADIUS\n")
	_, rest, found := strings.Cut(chapter, behind)
	m := regexp.MustCompile(`(?s)\n\n((?:    [^\n]*\n|\n)+)`).FindStringSubmatch(rest)
	if !found || m == nil {
		t.Fatalf("the README has no recipe behind %q", behind)
	}
	return regexp.MustCompile(`(?m)^    `).ReplaceAllString(m[1], "")
}

// runs starts a program, which ends with the test, and waits until it listens on an address of UDP.
func (s *radiusSite) runs(at string, name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	out, err := os.Create(filepath.Join(s.dir, filepath.Base(name)+".out"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended, failed := make(chan struct{}), error(nil)
	go func() {
		failed = cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	port, err := strconv.Atoi(portOf(at))
	if err != nil {
		s.t.Fatal(err)
	}
	socket := fmt.Sprintf(": 0100007F:%04X ", port) // 127.0.0.1, as a socket's row begins
	modeltest.Until(s.t, name+" listens", func() bool {
		select {
		case <-ended:
			text, _ := os.ReadFile(out.Name())
			s.t.Fatalf("%s ended: %v\n%s", name, failed, text)
		default:
		}
		// To try whether the address can be had would take it from the program.
		sockets, err := os.ReadFile("/proc/net/udp")
		return err == nil && strings.Contains(string(sockets), socket)
	})
}

// freeUDP returns an address of UDP that nobody listens on.
func freeUDP(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

func portOf(at string) string {
	_, port, _ := net.SplitHostPort(at)
	return port
}

// TestRadiusStockClients: Debian's radclient, PAM, and FreeRADIUS as a proxy, with the recipes of the README.
func TestRadiusStockClients(t *testing.T) {
	t.Parallel()
	s := newRadiusSite(t)
	at := s.p.radiusAt()
	s.call("radiusClient/create", `{"attrs":{"name":"here","address":"127.0.0.1","application.name":"tokensmith","secret":"`+radiusSecret+`","attributes":"Class={login}\nReply-Message=welcome"}}`)

	t.Run("radclient", func(t *testing.T) {
		s.t = t
		s.says(s.radclient(at, "auth", radiusSecret, "User-Name=u0,User-Password="+s.otp()+",Message-Authenticator=0x00"), "Received Access-Accept")
		out := s.radclient(at, "auth", radiusSecret, "User-Name=d/u0,User-Password="+s.otp()+",Message-Authenticator=0x00,Proxy-State=0x01,Proxy-State=0x02")
		s.says(out, `Reply-Message = "welcome"`)
		s.says(out, "Proxy-State = 0x01\n\tProxy-State = 0x02")
		s.says(s.radclient(at, "auth", radiusSecret, "User-Name=u0,User-Password=000000,Message-Authenticator=0x00"), "Received Access-Reject")
		s.says(s.radclient(at, "auth", radiusSecret, "User-Name=u0,CHAP-Password=000000,Message-Authenticator=0x00"), "Received Access-Reject")
		s.says(s.radclient(at, "status", radiusSecret, "Message-Authenticator=0x00"), "Received Access-Accept")
		s.says(s.radclient(at, "acct", radiusSecret, "User-Name=u0,Acct-Status-Type=Start"), "Received Accounting-Response")
		s.says(s.unanswered(at, radiusSecret, "User-Name=u0,User-Password="+s.otp()), "No reply from server")
		s.says(s.unanswered(at, "another-horse-battery", "User-Name=u0,User-Password="+s.otp()+",Message-Authenticator=0x00"), "No reply from server")
	})

	t.Run("freeradius", func(t *testing.T) {
		s.t = t
		server, near := modeltest.Tool(t, "/usr/sbin/freeradius"), freeUDP(t)
		config := filepath.Join(s.dir, "freeradius")
		if err := os.Mkdir(config, 0o755); err != nil {
			t.Fatal(err)
		}
		proxy := strings.NewReplacer("1812", portOf(at), "correct-horse-battery", radiusSecret).Replace(recipe(t, "In its `proxy.conf`:"))
		text := fmt.Sprintf(`prefix = /usr
libdir = /usr/lib/freeradius
run_dir = %s
log {
	destination = stdout
}
security {
	allow_core_dumps = no
}
proxy_requests = yes
%s
client near {
	ipaddr = 127.0.0.1
	secret = near-by-secret-16
	require_message_authenticator = yes
}
modules {
}
server default {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = %s
	}
	authorize {
		%s
	}
	authenticate {
	}
	post-auth {
	}
}
`, config, proxy, portOf(near), recipe(t, "section of the site:"))
		for name, text := range map[string]string{"radiusd.conf": text, "dictionary": "$INCLUDE /usr/share/freeradius/dictionary\n"} {
			if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s.runs(near, server, "-X", "-d", config)
		out := s.radclient(near, "auth", "near-by-secret-16", "User-Name=u0,User-Password="+s.otp()+",Message-Authenticator=0x00")
		s.says(out, "Received Access-Accept")
		s.says(out, `Reply-Message = "welcome"`)
		s.says(s.radclient(near, "auth", "near-by-secret-16", "User-Name=u0,User-Password=000000,Message-Authenticator=0x00"), "Received Access-Reject")
	})

	t.Run("pam", func(t *testing.T) {
		s.t = t
		tool := modeltest.Tool(t, "pamtester")
		if found, _ := filepath.Glob("/lib/*/security/pam_radius_auth.so"); len(found) == 0 {
			modeltest.Missing(t, "libpam-radius-auth is not installed: make tools")
		}
		s.call("logonProcedure/create", `{"attrs":{"name":"two"}}`)
		s.call("logonStep/create", `{"attrs":{"name":"first","logonProcedure.name":"two","authenticators":["SPASS"]}}`)
		s.call("logonStep/create", `{"attrs":{"name":"second","logonProcedure.name":"two","authenticators":["OTP"]}}`)
		s.call("application/create", `{"attrs":{"name":"pam","logonProcedures":["two"]}}`)
		s.call("radiusClient/set", `{"radiusClient":{"name":"here"},"attrs":{"application.name":"pam","requireMessageAuthenticator":false}}`)
		config := filepath.Join(s.dir, "pam_radius_auth.conf")
		text := strings.NewReplacer("127.0.0.1:1812", at, "correct-horse-battery", radiusSecret).Replace(recipe(t, "`/etc/pam_radius_auth.conf`"))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		service := fmt.Sprint("tokensmith-test-", os.Getpid())
		file := "/etc/pam.d/" + service
		text = strings.ReplaceAll(recipe(t, "`/etc/pam.d/otp`"), "/etc/pam_radius_auth.conf", config)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			modeltest.Missing(t, "a PAM service cannot be made: %v", err)
		}
		t.Cleanup(func() { os.Remove(file) })
		login := func(password, otp string) string {
			cmd := exec.Command(tool, service, "u0", "authenticate")
			cmd.Stdin = strings.NewReader(password + "\n" + otp + "\n")
			out, _ := cmd.CombinedOutput()
			return string(out)
		}
		out := login("correct horse battery", s.otp())
		s.says(out, "Enter your one-time password")
		s.says(out, "successfully authenticated")
		out = login("wrong", s.otp())
		s.says(out, "Enter your one-time password")
		s.says(out, "Authentication failure")
	})
}

// TestRadiusOverTLS: radsecproxy carries requests over TLS, with the recipe of the README. Another certificate gets no answer.
func TestRadiusOverTLS(t *testing.T) {
	t.Parallel()
	proxy, openssl := modeltest.Tool(t, "/usr/sbin/radsecproxy"), modeltest.Tool(t, "openssl")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	modeltest.Run(t, openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=ca", "-days", "30")
	for _, name := range []string{"branch", "other"} {
		modeltest.Run(t, openssl, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at(name+".key"), "-out", at(name+".csr"), "-subj", "/CN="+name)
		modeltest.Run(t, openssl, "x509", "-req", "-in", at(name+".csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-out", at(name+".pem"), "-days", "30")
	}
	radsec := freeTCP(t)
	s := newRadiusSite(t, "--tls-self", "--client-ca", at("ca.pem"), "--radsec-listen", radsec)
	hash := modeltest.Run(t, "sh", "-c", strings.ReplaceAll(recipe(t, "must have signed it:"), "branch.pem", at("branch.pem")))
	s.call("radiusClient/create", `{"attrs":{"name":"branch","certificate":"`+strings.Fields(hash)[0]+`","application.name":"tokensmith"}}`)
	database := s.args[1]
	ca := strings.TrimSuffix(database, ".db") + ".ca.pem"
	for _, name := range []string{"branch", "other"} {
		near := freeUDP(t)
		text := strings.NewReplacer("2083", portOf(radsec), "/etc/radsecproxy/tokensmith.ca.pem", ca, "/etc/radsecproxy/branch", at(name)).Replace(recipe(t, "In `radsecproxy.conf`:"))
		config := at(name + ".conf")
		text = "ListenUDP " + near + "\nclient 127.0.0.1 {\n type UDP\n secret near-by-secret-16\n}\n" + text
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.runs(near, proxy, "-f", "-c", config)
		request := "User-Name=u0,User-Password=" + s.otp() + ",Message-Authenticator=0x00"
		if name == "branch" {
			s.says(s.radclient(near, "auth", "near-by-secret-16", request), "Received Access-Accept")
			continue
		}
		if out := s.unanswered(near, "near-by-secret-16", request); strings.Contains(out, "Received Access-Accept") {
			t.Errorf("another certificate is answered: %s", out)
		}
	}
}

// freeTCP returns an address of TCP that nobody listens on.
func freeTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
