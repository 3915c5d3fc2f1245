package storetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// Cluster is a PostgreSQL primary with a synchronous standby, which keep what they acknowledged.
type Cluster struct{ primary, standby *server }

// NewCluster makes one of its own for a test, with an empty database, and ends it with the test. It is there or not as
// Postgres is.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	modeltest.NotShort(t)
	c := &Cluster{}
	var err error
	c.primary, err = startServer(onDisk, (*server).initdb)
	started(t, err)
	t.Cleanup(c.primary.end)
	c.standby, err = startServer(onDisk, func(s *server) error {
		return s.run("pg_basebackup", "--pgdata="+s.data(), "--host=127.0.0.1", "--port="+strconv.Itoa(c.primary.port), "--username=tester",
			"--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	})
	started(t, err)
	t.Cleanup(c.standby.end)
	// Not before the standby is there: the primary would wait for it.
	for _, statement := range []string{"CREATE DATABASE tokensmith TEMPLATE template0", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if _, err := c.primary.admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	modeltest.Until(t, "the standby follows", func() bool {
		var synchronous int
		if err := c.primary.admin.QueryRow("SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&synchronous); err != nil {
			t.Fatal(err)
		}
		return synchronous == 1
	})
	return c
}

// URL names the database by both servers, of which the one is meant that takes writes.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d,127.0.0.1:%d/tokensmith?sslmode=disable&connect_timeout=%d&target_session_attrs=read-write", c.primary.port, c.standby.port, connectSeconds)
}

// KillPrimary ends the primary as a power failure would, all its processes at once.
func (c *Cluster) KillPrimary(t testing.TB) {
	t.Helper()
	// It makes no further process while it is stopped.
	if err := syscall.Kill(c.primary.pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(children(c.primary.pid), c.primary.pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	<-c.primary.ended
}

// Promote makes the standby the primary.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	if err := c.standby.run("pg_ctl", "promote", "--pgdata="+c.standby.data(), "--wait"); err != nil {
		t.Fatal(err)
	}
}

// children returns the processes that a process has made.
func children(pid int) (list []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// "pid (name) state parent ...", and the name may hold anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			list = append(list, child)
		}
	}
	return list
}

// end stops the server and has its folder removed.
func (s *server) end() {
	s.admin.Close()
	s.life.Close()
	<-s.ended
}

// The server's certificate, which signs itself, and its key.
const certificate, certificateKey = "server.crt", "server.key"

// certify makes them.
func (s *server) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	made, err1 := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	coded, err2 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	keyFile := filepath.Join(s.dir, certificateKey)
	return errors.Join(
		os.WriteFile(filepath.Join(s.dir, certificate), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), 0o644),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: coded}), 0o600), s.own(keyFile))
}
