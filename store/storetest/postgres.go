package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// server is the one PostgreSQL of this test process.
type server struct {
	port  int
	admin *sql.DB
	life  io.Closer    // its end ends the server: kept here, or the garbage collector would close it
	last  atomic.Int64 // number of the last database made
}

// errNoPostgres says that PostgreSQL is not installed.
var errNoPostgres = errors.New("PostgreSQL's programs are not in /usr/lib/postgresql/*/bin nor in the PATH: apt-get install postgresql")

var theServer = sync.OnceValues(startServer)

// Postgres makes a new, empty database for a test and gives its URL; it is dropped when the test ends. The first call
// starts a server, which ends with the test process, however that ends. Without PostgreSQL's programs the test fails
// when CI is set and is skipped otherwise. Safe for parallel tests.
func Postgres(t testing.TB) (url string) {
	t.Helper()
	s, err := theServer()
	if errors.Is(err, errNoPostgres) && os.Getenv("CI") == "" {
		fmt.Fprintf(os.Stderr, "\n*** NOT TESTED ON POSTGRESQL: %v\n", err)
		t.Skip("NOT TESTED ON POSTGRESQL: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", s.last.Add(1))
	if _, err := s.admin.Exec("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := s.admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// watcher outlives the test process just long enough to stop the server and remove its folder, even when the process
// is killed: its standard input ends then.
const watcher = `while read line; do pid=$line; done
cd /
if [ -n "$pid" ] && kill -QUIT "$pid"; then
	n=0
	while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
fi
rm -rf "$1"`

func startServer() (*server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	// A short path in a folder that everybody may enter: a socket's path has at most 107 bytes, and root's TMPDIR may
	// be closed to the server's user.
	dir, err := os.MkdirTemp("/tmp", "tokensmith-postgres-")
	if err != nil {
		return nil, err
	}
	if as.Credential != nil {
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	watch := exec.Command("/bin/sh", "-c", watcher, "sh", dir)
	watch.SysProcAttr, watch.Dir = as, dir
	life, err := watch.StdinPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s, err := runServer(bin, dir, as, life)
	if err != nil {
		life.Close()
		return nil, fmt.Errorf("PostgreSQL for the tests: %w", err)
	}
	s.life = life
	return s, nil
}

// runServer makes a cluster in dir and starts it; life learns the server's process id.
func runServer(bin, dir string, as *syscall.SysProcAttr, life io.Writer) (*server, error) {
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=tester", "--auth=trust", "--no-sync", "--encoding=UTF8",
		// An order of text unlike SQLite's, so that a missing COLLATE "C" shows.
		"--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
	initdb.SysProcAttr, initdb.Dir = as, dir
	initdb.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TZ=UTC", "LC_ALL=C"}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		// Another process may take the port before the server does.
		s, err := serve(bin, dir, port, initdb, life)
		if err == nil || try == 5 {
			return s, err
		}
	}
}

// serve starts the server on a port and waits until it answers.
func serve(bin, dir string, port int, like *exec.Cmd, life io.Writer) (*server, error) {
	data := filepath.Join(dir, "data")
	args := []string{"-D", data, "-k", dir, "-p", strconv.Itoa(port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "max_connections=500", "superuser_reserved_connections=5",
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "jit=off",
		"shared_buffers=64MB", "max_wal_size=256MB", "max_parallel_workers_per_gather=0", "dynamic_shared_memory_type=mmap",
		"timezone=UTC",
	} {
		args = append(args, "-c", setting)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	postgres := exec.Command(filepath.Join(bin, "postgres"), args...)
	postgres.SysProcAttr, postgres.Dir, postgres.Env = like.SysProcAttr, dir, like.Env
	postgres.Stdout, postgres.Stderr = log, log
	if err := postgres.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(life, postgres.Process.Pid); err != nil {
		return nil, errors.Join(err, postgres.Process.Kill())
	}
	ended := make(chan struct{})
	go func() {
		postgres.Wait()
		close(ended)
	}()
	s := &server{port: port}
	if s.admin, err = sql.Open("pgx", s.url("postgres")); err != nil {
		return nil, err
	}
	s.admin.SetMaxOpenConns(4)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	for {
		// Whoever answers on the port need not be ours.
		var answers string
		if err = s.admin.QueryRowContext(ctx, "SHOW data_directory").Scan(&answers); err == nil && answers == data {
			return s, nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("the server did not start (%v)\n%s", err, text)
	}
}

// programs gives the folder of the newest PostgreSQL.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	version := func(file string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(file))))
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if file, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(file), nil
	}
	return "", errNoPostgres
}

// unprivileged says as whom the server runs: it refuses to run as root. It gets a session of its own, so that a
// Ctrl-C at the terminal leaves the stopping to the watcher.
func unprivileged() (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, errors.Join(err1, err2)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
