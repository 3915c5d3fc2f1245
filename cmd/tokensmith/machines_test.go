package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tokensmith/model/modeltest"
)

// machines are the machines in packaging/CLUSTER.md, with their addresses.
var machines = []struct{ name, address string }{
	{"db1", "192.0.2.11"}, {"db2", "192.0.2.12"}, {"app1", "192.0.2.21"}, {"app2", "192.0.2.22"}, {"app3", "192.0.2.23"}, {"front", "192.0.2.10"}}

// world starts the machines: one network and one set of processes, which end with it, and for each machine a name and its own
// files, overlaid on those of this machine. It prints "up" when all exist, and then lives until its input ends.
const world = `set -eu
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
for m in $MACHINES; do
	ip address add ${m#*=}/24 dev lo
	m=${m%=*}
	unshare --mount --uts sh -c '
		hostname '$m'
		mkdir '$ROOT/$m'
		mount -t tmpfs tmpfs '$ROOT/$m'
		for d in etc var root; do
			mkdir '$ROOT/$m'/$d '$ROOT/$m'/$d.work
			mount -t overlay overlay -o lowerdir=/$d,upperdir='$ROOT/$m'/$d,workdir='$ROOT/$m'/$d.work /$d
		done
		mount -t tmpfs tmpfs /run
		mount -t tmpfs -o mode=1777 tmpfs /dev/shm
		mkdir -m 2775 /run/postgresql
		chown postgres: /run/postgresql
		cp '$ROOT'/hosts /etc/hosts
		touch '$ROOT/$m'.up
		exec sleep infinity' &
	echo $! >$ROOT/$m.pid
	while [ ! -e $ROOT/$m.up ]; do sleep 0.05; done
done
echo up
read line
`

// shims replace what a machine in a namespace does not have: a service manager, a package manager, the sshd of another machine.
var shims = map[string]string{
	"apt-get": "#!/bin/sh\n",
	"scp": `#!/bin/bash
set -eu
to=${@: -1}
for from in "${@:1:$#-1}"; do
	file=$to; [ -d "$to" ] && file=$to/$(basename "$from")
	nsenter -t $(cat $ROOT/${from%%:*}.pid) -m cat "${from#*:}" >"$file"
	case $file in *.key) chmod 600 $file; esac
done
`,
	"ssh": "#!/bin/sh\nm=$1; shift; exec nsenter -t $(cat $ROOT/$m.pid) -m -u -- \"$@\"\n",
	"systemctl": `#!/bin/bash
set -eu
[ "$1" = restart ]
case $2 in
tokensmith)
	set -a; IFS=; while read -r line; do export "$line"; done </etc/tokensmith.env
	cd /var/lib/tokensmith; umask 077
	setsid tokensmith serve >>serve.log 2>&1 </dev/null & ;;
haproxy) exec haproxy -D -f /etc/haproxy/haproxy.cfg ;;
esac
`,
}

// order is one command in the document, on one machine.
type order struct {
	machine, command, prints string
}

// orders parses the document: indented lines that begin with the name of a machine and "# ", or with names of several machines
// and an asterisk.
func orders(t *testing.T) (all []order) {
	t.Helper()
	text, err := os.ReadFile("packaging/CLUSTER.md")
	if err != nil {
		t.Fatal(err)
	}
	prompt := regexp.MustCompile(`^([a-z]+[0-9*]?)# (.*\n)$`)
	var now []order // the same command on several machines
	end := func() {
		all = append(all, now...)
		now = nil
	}
	open := "" // the text that ends a command of several lines
	for line := range strings.Lines(string(text)) {
		code, indented := strings.CutPrefix(line, "    ")
		m := prompt.FindStringSubmatch(code)
		switch {
		case !indented && open == "":
			end()
			continue
		case open != "" || len(now) > 0 && strings.HasSuffix(now[0].command, "\\\n"):
			if !indented {
				code = line
			}
			for i := range now {
				now[i].command += code
			}
			if open != "" && strings.TrimSpace(code) == open {
				open = ""
			}
		case m != nil:
			end()
			name, several := strings.CutSuffix(m[1], "*")
			for _, machine := range machines {
				if machine.name == name || several && strings.HasPrefix(machine.name, name) {
					now = append(now, order{machine: machine.name, command: m[2]})
				}
			}
			if here := regexp.MustCompile(`<<'?([A-Z]+)'?\n$`).FindStringSubmatch(m[2]); here != nil {
				open = here[1]
			}
		default:
			for i := range now {
				now[i].prints += code
			}
		}
	}
	end()
	if len(all) < 50 {
		t.Fatalf("CLUSTER.md has only %d commands", len(all))
	}
	return all
}

// TestReadmeMachines follows packaging/CLUSTER.md command by command: from nothing to three processes behind one address, on a
// primary with a standby, then through the loss of the primary and back.
func TestReadmeMachines(t *testing.T) {
	t.Parallel()
	modeltest.NotShort(t)
	for _, program := range []string{"unshare", "nsenter", "ip", "haproxy", "pg_createcluster", "runuser", "openssl", "jq", "curl"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			modeltest.Missing(t, "CLUSTER.md: it needs root and %s", program)
		}
	}
	exe := binary(t)
	root := t.TempDir()
	var hosts, names strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for _, m := range machines {
		fmt.Fprintf(&hosts, "%s %s\n", m.address, m.name)
		fmt.Fprintf(&names, "%s=%s ", m.name, m.address)
	}
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("hosts", hosts.String(), 0o644)
	if err := os.Mkdir(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range shims {
		write("bin/"+name, text, 0o755)
	}
	if err := os.Symlink(exe, filepath.Join(root, "bin", "tokensmith")); err != nil {
		t.Fatal(err)
	}
	env := []string{"ROOT=" + root, "MACHINES=" + names.String(), "PATH=" + filepath.Join(root, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"}
	all := exec.Command("sh", "-c", world)
	all.Env = env
	all.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	var said bytes.Buffer
	all.Stderr = &said
	life, err1 := all.StdinPipe()
	out, err2 := all.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := all.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		life.Close() // ends the first process of the namespace, and with it all others
		all.Wait()
	})
	up := make([]byte, 3)
	if _, err := out.Read(up); err != nil || string(up) != "up\n" {
		t.Fatalf("the machines do not start: %v %s", err, said.String())
	}
	exports := map[string]string{}
	for _, o := range orders(t) {
		var got []byte
		for began := time.Now(); ; time.Sleep(250 * time.Millisecond) {
			script := fmt.Sprintf("%s\n%s", exports[o.machine], o.command)
			cmd := exec.Command("nsenter", "-t", fmt.Sprint(all.Process.Pid), "-n", "-p", "-m", "--", "sh", "-c",
				"exec nsenter -t $(cat $ROOT/"+o.machine+".pid) -m -u -- bash -e -c \"$0\"", script)
			cmd.Env = slices.Clone(env)
			cmd.Dir = "/"
			var err error
			got, err = cmd.CombinedOutput()
			want := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(o.prints)), `\.\.\.`, ".*") + "$"
			fits := o.prints == "" || regexp.MustCompile(want).Match(bytes.TrimSpace(got))
			if err == nil && fits {
				break
			}
			// Commands that only query may have to be repeated, because a standby needs a moment to follow.
			asks := strings.HasPrefix(o.command, "curl") || strings.Contains(o.command, "SELECT application_name")
			if !asks || time.Since(began) > modeltest.Patience {
				t.Fatalf("%s# %s%v\nprints:\n%s", o.machine, o.command, err, got)
			}
		}
		if strings.HasPrefix(o.command, "export ") {
			exports[o.machine] += o.command
		}
	}
}
