package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tokensmith/model/modeltest"
)

// TestMovedAwayUnderLoad: a database file is moved away under load, and its server is then killed and restarted. Changes after
// the move are refused, and so is the start. When the file is back, everything that was acknowledged exists, and nothing else.
func TestMovedAwayUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, away := filepath.Join(dir, "tokensmith.db"), filepath.Join(dir, "away.db")
	args := []string{"--db", db, "--key-file", filepath.Join(dir, "key")}
	p := &process{t: t, args: args, out: filepath.Join(dir, "out")}
	p.start()
	t.Cleanup(p.kill)
	c := &agentCaller{}
	c.id, c.secret = p.first()
	l := &load{}
	l.run(p.url, c, 4, true, "s")
	l.await(t, 0, 300)
	if err := os.Rename(db, away); err != nil {
		t.Fatal(err)
	}
	l.await(t, 8, 20)
	acknowledged := l.counted(0)
	l.await(t, 8, 60)
	if n := l.counted(0); n != acknowledged {
		t.Errorf("%d calls were acknowledged behind the first that was refused", n-acknowledged)
	}
	if status := ready(t, p.url); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz gives %d", status)
	}
	l.stop.Store(true)
	l.all.Wait()
	p.kill()
	log, err := os.ReadFile(db + "-wal")
	if err != nil || len(log) == 0 {
		t.Fatal("no log is left: ", err)
	}
	out, err := exec.Command(binary(t), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "tokensmith.db-wal exists, and committed changes are in it") {
		t.Errorf("it starts without its database: %v %s", err, out)
	}
	if now, err := os.ReadFile(db + "-wal"); err != nil || !bytes.Equal(now, log) {
		t.Error("the log was touched: ", err)
	}
	if err := os.Rename(away, db); err != nil {
		t.Fatal(err)
	}
	same(t, args, l.codes)
	t.Logf("%d calls were acknowledged and %d refused; what is there now is the first, all of them", l.counted(0), l.counted(8))
	p.start()
	modeltest.Until(t, "it is served again", func() bool { return ready(t, p.url) == http.StatusOK })
}
