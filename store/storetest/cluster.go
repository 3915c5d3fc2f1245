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

// Cluster is a PostgreSQL primary with a synchronous standby. What they have acknowledged survives a crash.
type Cluster struct{ primary, standby *server }

// NewCluster starts a cluster with an empty database for one test, and stops it with the test. Whether it is available is decided
// as for Postgres.
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
	// Set this only now, because otherwise the primary would wait for a standby.
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

// URL returns a URL with both servers. A client uses the one that accepts writes.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d,127.0.0.1:%d/tokensmith?sslmode=disable&connect_timeout=%d&target_session_attrs=read-write", c.primary.port, c.standby.port, connectSeconds)
}

// KillPrimary ends all processes of the primary at once, as a power failure would.
func (c *Cluster) KillPrimary(t testing.TB) {
	t.Helper()
	// A stopped server starts no further process.
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

// children returns the child processes of a process.
func children(pid int) (list []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The format is "pid (name) state parent ...". The name may contain any characters.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			list = append(list, child)
		}
	}
	return list
}

// end stops the server. Its folder is then removed.
func (s *server) end() {
	s.admin.Close()
	s.life.Close()
	<-s.ended
}

// The server's self-signed certificate and its key.
const certificate, certificateKey = "server.crt", "server.key"

// certify creates the certificate and the key.
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
