# One tag set for every go command: another one, and -race, compiles SQLite again.
export GOFLAGS = -tags=sqlite_omit_load_extension,osusergo,netgo
export CGO_ENABLED = 1
# SQLite keeps a plan whatever is bound to it (the driver clears all bindings before each use, which to SQLite is a change of
# them: it would plan most SELECTs anew), counts no memory under a lock of the whole process, and keeps in memory what a
# savepoint would bring back.
export CGO_CFLAGS = -O2 -g -DSQLITE_ENABLE_QPSG -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_STMTJRNL_SPILL=-1

RELEASE := $(shell sed -n 's/^var version = "\(.*\)"/\1/p' cmd/tokensmith/main.go)
VERSION := $(RELEASE)$(addprefix +,$(shell git describe --match=- --always --dirty 2>/dev/null))
STATIC  := -s -w -X main.version=$(VERSION) -linkmode external -extldflags -static

# What the tests use of Debian, as command:package.
TOOLS := curl:curl sqlite3:sqlite3 python3:python3 jq:jq oathtool:oathtool pskctool:pskctool pskc2pskc:pskc-utils script:bsdutils zbarimg:zbar-tools wrk:wrk chromium:chromium npm:npm /usr/lib/postgresql/*/bin/initdb:postgresql /usr/sbin/haproxy:haproxy /usr/*bin/ip:iproute2 radclient:freeradius-utils /usr/sbin/freeradius:freeradius /usr/sbin/radsecproxy:radsecproxy pamtester:pamtester /lib/*/security/pam_radius_auth.so:libpam-radius-auth openssl:openssl mmdebstrap:mmdebstrap systemd-nspawn:systemd-container licensecheck:licensecheck ssh-keygen:openssh-client

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## start the service on an embedded database here and print how to make the first call
	bin/tokensmith serve --show-first-secret --log-format console

build: ## leave the static binary in bin/tokensmith
	go build -trimpath -ldflags '$(STATIC)' -o bin/tokensmith ./cmd/tokensmith

release: ## static binaries, Debian packages, bills of materials, licences and checksums in bin/release; KEY=FILE signs the checksums
	bash cmd/tokensmith/packaging/release bin/release '$(VERSION)' '$(STATIC)' '$(KEY)'

# Most of what a test does is wait: for a server, a browser, a limit to be over. The time is for a machine that does much else.
TEST := -parallel $(shell echo $$((2 * $$(nproc)))) -timeout 2h
test: tools ## install what the tests need, and pass them all; with LONG=1 the long ones at full length
	$(if $(LONG),TOKENSMITH_TEST_LONG=1 )go test $(TEST) ./...

RUNS ?= 10000
# The first seed of those runs; 0 = new ones.
FIRST ?= 0
simulate: ## RUNS (10000) runs of a server on a database that fails on purpose, held to what is promised: cmd/tokensmith/TESTING.md
	go test ./rpc -run '^TestSimulation$$' -v -timeout 2h -simulate.runs $(RUNS) -simulate.first $(FIRST)

SOAK ?= 10m
soak: tools ## a load on each database for SOAK (10m) while faults come: nothing grows, and what is promised holds
	SOAK=$(SOAK) go test ./cmd/tokensmith -run '^TestSoak$$' -v -timeout 24h

# Those of a release are left out: they run other programs, one after the other.
race: tools ## the tests under the race detector
	go test -race $(TEST) -skip '^(TestReleaseIs|TestPackage$$|TestBillOfMaterials$$|TestLicences$$)' ./...

lint: ## gofmt, vet, staticcheck
	@files=$$(gofmt -l cmd rpc store model); test -z "$$files" || { echo "not formatted: $$files" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...

# The load makes LOAD (a -benchtime) calls of each kind, and eight times as many of those that take little, on databases of LOAD_TOKENS tokens; its table is also bin/load.json.
LOAD ?= 5000x
LOAD_TOKENS ?= 10000,1000000
bench: tools ## every benchmark, with allocations; then the load: a whole server over HTTP, beside the machine's floors
	go test -run '^$$' -bench . -skip '^BenchmarkLoad$$' -benchmem -timeout 60m $(BENCH) ./...
	@mkdir -p bin
	LOAD_TOKENS=$(LOAD_TOKENS) LOAD_JSON=$(CURDIR)/bin/load.json \
		go test ./cmd/tokensmith -run '^$$' -bench '^BenchmarkLoad$$' -benchtime $(LOAD) -timeout 60m

# A copy of the database of vulnerabilities, such as file:///FOLDER; empty for the one in the internet.
VULNDB ?=
modules: build ## whether a module differs from go.sum, was replaced or retracted, or has a known vulnerability (VULNDB=file:///FOLDER)
	go mod verify
	@bad=$$(go list -m -f '{{with .Replace}}{{$$.Path}} {{$$.Version}}: replaced by {{.}}{{end}}' all) || exit 1; \
		test -z "$$bad" || { echo "$$bad" >&2; exit 1; }
	@if bad=$$(go list -m -u -retracted -f '{{if .Retracted}}{{.Path}} {{.Version}}: retracted {{.Retracted}}{{end}}' all); then \
		test -z "$$bad" || { echo "$$bad" >&2; exit 1; }; \
	else echo '*** NOT CHECKED: whether a module was retracted: the modules are out of reach' >&2; fi
	@VULNDB='$(VULNDB)' bash .ci/vulnerable bin/tokensmith

FUZZTIME ?= 3m
# The go command sometimes fails a target for its own deadline; an input that really fails is kept and fails again.
fuzz: ## every fuzz target for FUZZTIME (3m) each
	@for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
		for t in $$(grep -oE '^func Fuzz[A-Za-z0-9_]+' $$f | cut -c6-); do \
			echo "$$t in $$(dirname $$f)"; \
			go test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) $$(dirname $$f) || \
			go test -run "^$$t\$$" -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) $$(dirname $$f) || exit 1; \
		done; \
	done

breaks: tools ## break the code on purpose, as testdata/breaks.txt says, and tell which breaks the tests notice
	@python3 .ci/breaks $(BREAKS)

ci: ## what every change must pass
	bash .ci/run

tools: ; @bash .ci/tools $(TOOLS)

.PHONY: help run build release test simulate soak race lint bench modules fuzz breaks ci tools
