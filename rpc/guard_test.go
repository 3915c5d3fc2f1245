package rpc

import (
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"tokensmith/rpc/caller"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// writesNoFactor lists the methods of store.Tx that a guard does not check, because none of them writes what a user authenticates
// with.
var writesNoFactor = []string{"TimeLimit", "Audit", "PutMeta", "StoreReply", "DropReplies", "RadiusAsked", "PutRadiusNote", "TakeRadiusNote", "DropRadiusNotes", "RecordUnknownName", "AddressFailed", "AddressKnown", // the audit record and the server's own data
	"LeaveMark", "RaiseMarks", "RewindMarks", "TakeMarks", // these keep OTPs used
	"SetCertificates", "AgentUsed", // data of agents
	"SessionUsed", "DropSession", "DropSessions", // the caller's own session, or expired ones
	"DropTempPasses",                                                                                                        // expired ones
	"Relate", "LeaveGroup", "TakeSeats", "FreeSeat", "Seen", "UseCode", "NewUsername", "ClaimDeliveries", "PretendDelivery"} // data of groups, devices, codes and messages

// TestEveryWriteIsGuarded: every method of a transaction that writes is guarded, or is listed as one that writes no factor. A new
// method fails the test until somebody has decided.
func TestEveryWriteIsGuarded(t *testing.T) {
	t.Parallel()
	reads, writes, guards := reflect.TypeFor[store.ReadTx](), reflect.TypeFor[store.Tx](), reflect.TypeFor[*caller.Guard]()
	for i := range writes.NumMethod() {
		name := writes.Method(i).Name
		if _, reading := reads.MethodByName(name); reading {
			continue
		}
		method, _ := guards.MethodByName(name)
		file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer())
		own, listed := filepath.Base(file) == "guard.go", slices.Contains(writesNoFactor, name)
		if own == listed {
			t.Errorf("store.Tx.%s: guarded is %v, writes no factor is %v", name, own, listed)
		}
	}
	for _, name := range writesNoFactor {
		if _, ok := writes.MethodByName(name); !ok {
			t.Errorf("store.Tx has no %s", name)
		}
	}
	for name, o := range object.Types {
		if _, _, err := caller.OwnersOf(o.Row()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
