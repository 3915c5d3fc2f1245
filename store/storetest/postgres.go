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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// server is a running PostgreSQL server.
type server struct {
	bin   string // folder of its programs
	dir   string // its own folder; the cluster is in the subfolder data
	as    *syscall.SysProcAttr
	env   []string
	port  int
	admin *sql.DB
	pid   int
	ended chan struct{}  // closed when the server has ended
	life  io.WriteCloser // closing it stops the server; kept here so that the garbage collector does not close it
	last  atomic.Int64   // number of the last database created
}

// errNoPostgres says that PostgreSQL is not installed.
var errNoPostgres = errors.New("PostgreSQL's programs are not in /usr/lib/postgresql/*/bin nor in the PATH: apt-get install postgresql")

// theServer is the server of this test process. It does not survive a power failure, to be fast.
var theServer = sync.OnceValues(func() (*server, error) {
	return startServer(inMemory(), (*server).initdb, "max_connections=500", "max_pred_locks_per_transaction=1024", "superuser_reserved_connections=5", "fsync=off", "synchronous_commit=off",
		"full_page_writes=off", "autovacuum=off", "shared_buffers=64MB", "max_wal_size=256MB", "max_parallel_workers_per_gather=0")
})

// Postgres creates a new, empty database for a test and returns its URL. The database is dropped when the test ends. The first
// call starts a server, which stops with the test process, however that ends. If PostgreSQL is not installed, the test fails if
// CI is set, and is skipped otherwise. With -short the test is skipped. It is safe for parallel tests.
func Postgres(t testing.TB) (url string) {
	t.Helper()
	modeltest.NotShort(t)
	s, err := theServer()
	started(t, err)
	return s.database(t)
}

// theDurableServer is another server. It writes to the disk before it acknowledges. Autovacuum runs each second, because a
// benchmark ends before it would run with the default.
var theDurableServer = sync.OnceValues(func() (*server, error) {
	return startServer(onDisk, (*server).initdb, "shared_buffers=512MB", "max_wal_size=2GB", "max_pred_locks_per_transaction=1024", "autovacuum_naptime=1s")
})

// DurablePostgres is Postgres on a server with production settings, for benchmarks.
func DurablePostgres(t testing.TB) (url string) {
	t.Helper()
	s, err := theDurableServer()
	started(t, err)
	return s.database(t)
}

// OwnPostgres is Postgres on a separate server for one test, with the given settings.
func OwnPostgres(t testing.TB, settings ...string) (url string) {
	t.Helper()
	modeltest.NotShort(t)
	s, err := startServer(inMemory(), (*server).initdb, settings...)
	started(t, err)
	t.Cleanup(s.end)
	return s.database(t)
}

// database creates a new, empty database for a test.
func (s *server) database(t testing.TB) (url string) {
	t.Helper()
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

// PostgresTLS is Postgres with mandatory TLS. It also returns the file with the authority of the server's certificate, which is
// valid only for the address 127.0.0.1.
func PostgresTLS(t testing.TB) (url, authority string) {
	t.Helper()
	url = Postgres(t)
	s, _ := theServer()
	authority = filepath.Join(s.dir, certificate)
	return strings.Replace(url, "sslmode=disable", "sslmode=verify-full&sslrootcert="+authority, 1), authority
}

// started fails a test whose server did not start, or skips it if PostgreSQL is not installed.
func started(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoPostgres) {
		modeltest.Missing(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// connectSeconds is longer than the program's own timeout, because connecting may take long on a busy machine.
const connectSeconds = 120

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d/%s?sslmode=disable&connect_timeout=%d", s.port, database, connectSeconds)
}

// watcher outlives the test process just long enough to stop the server and remove its folder, even if the process is killed,
// because its standard input is closed then.
const watcher = `while read line; do pid=$line; done
cd /
if [ -n "$pid" ] && kill -QUIT "$pid"; then
	n=0
	while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n+1)); done
fi
rm -rf "$1"`

// The folder must have a short path and be accessible to everybody. The path of a socket has at most 107 bytes, and the server's
// user may not be able to enter root's TMPDIR.
const onDisk = "/tmp"

// inMemory returns a folder in memory for a server whose data may be lost, if there is room. A new database has 300 files, and on
// a disk, creating and dropping one for each test costs the most time.
func inMemory() string {
	const folder, room, tmpfs = "/dev/shm", 4 << 30, 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil || fs.Type != tmpfs || fs.Bavail*uint64(fs.Bsize) < room {
		return onDisk
	}
	return folder
}

// startServer starts a server in a new subfolder of folder. create makes its cluster.
func startServer(folder string, create func(*server) error, settings ...string) (*server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(folder, "tokensmith-postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{bin: bin, dir: dir, as: as, env: []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TZ=UTC", "LC_ALL=C"}}
	if err := s.own(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	watch := exec.Command("/bin/sh", "-c", watcher, "sh", dir)
	watch.SysProcAttr, watch.Dir = as, dir
	s.life, err = watch.StdinPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.start(create, settings); err != nil {
		s.life.Close()
		return nil, fmt.Errorf("PostgreSQL for the tests: %w", err)
	}
	return s, nil
}

// own changes the owner of a file to the user that the server runs as.
func (s *server) own(file string) error {
	if s.as.Credential == nil {
		return nil
	}
	return os.Chown(file, int(s.as.Credential.Uid), int(s.as.Credential.Gid))
}

// run runs one of PostgreSQL's programs.
func (s *server) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Env = s.as, s.dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// initdb creates a new cluster.
func (s *server) initdb() error {
	return s.run("initdb", "--pgdata="+s.data(), "--username=tester", "--auth=trust", "--no-sync", "--encoding=UTF8",
		// This collation sorts differently from SQLite, so that a missing COLLATE "C" is noticed.
		"--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
}

func (s *server) start(create func(*server) error, settings []string) error {
	err := create(s)
	if err == nil {
		err = s.certify()
	}
	for try := 1; err == nil; try++ {
		if s.port, err = freePort(); err != nil {
			return err
		}
		// Another process may take the port first.
		if err = s.serve(settings); err == nil || try == 5 {
			return err
		}
		err = nil
	}
	return err
}

// serve starts the server on its port and waits until it replies.
func (s *server) serve(settings []string) error {
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port)}
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", "jit=off", "dynamic_shared_memory_type=mmap", "timezone=UTC",
		"ssl=on", "ssl_cert_file=" + filepath.Join(s.dir, certificate), "ssl_key_file=" + filepath.Join(s.dir, certificateKey)}, settings...) {
		args = append(args, "-c", setting)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	postgres := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	postgres.SysProcAttr, postgres.Dir, postgres.Env = s.as, s.dir, s.env
	postgres.Stdout, postgres.Stderr = log, log
	if err := postgres.Start(); err != nil {
		return err
	}
	s.pid = postgres.Process.Pid
	if _, err := fmt.Fprintln(s.life, s.pid); err != nil {
		return errors.Join(err, postgres.Process.Kill())
	}
	s.ended = make(chan struct{})
	go func(ended chan struct{}) {
		postgres.Wait()
		close(ended)
	}(s.ended)
	if s.admin, err = sql.Open("pgx", s.url("postgres")); err != nil {
		return err
	}
	s.admin.SetMaxOpenConns(4)
	ctx, stop := context.WithTimeout(context.Background(), modeltest.Patience)
	defer stop()
	for {
		// The server that replies on this port may be another one.
		var answers string
		if err = s.admin.QueryRowContext(ctx, "SHOW data_directory").Scan(&answers); err == nil && answers == s.data() {
			return nil
		}
		select {
		case <-s.ended:
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("the server did not start (%v)\n%s", err, text)
	}
}

// programs returns the folder with the programs of the newest PostgreSQL version.
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

// unprivileged returns the user that the server runs as, because PostgreSQL refuses to run as root. The server gets its own
// session, so that Ctrl-C in the terminal does not reach it and the watcher stops it.
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
