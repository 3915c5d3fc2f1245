package login

import (
	"encoding/binary"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// addressSlots is the number of slots in which failures of addresses are counted. It limits the stored data, however many
// addresses there are.
const addressSlots = 1 << 16

// comesFrom sets the address that a credential comes from.
func (v *verification) comesFrom(remote string) {
	v.address = conn.Network(remote)
	mac := v.auth.addresses.Sign([]byte(v.address))
	v.slot = int64(binary.BigEndian.Uint16(mac[len(mac)-2:])) % addressSlots
}

// isHeld returns whether a credential is refused without a check because of earlier failures of its address. An unknown user is
// treated like one without a success from there.
func (v *verification) isHeld(tx store.Tx, login *model.Login) (bool, error) {
	if v.address == "" {
		return false, nil
	}
	id := ""
	if login != nil {
		id = login.ID
	}
	var err error
	v.from, err = tx.Address(v.slot, id, v.address)
	return v.from.Blocked(v.c.Now), err
}

// counted runs check and counts a failure for the address.
func (v *verification) counted(tx store.Tx, check func(store.Tx) (any, error)) (any, error) {
	result, err := check(tx)
	o, refused := result.(dispatch.CommittedRefusal)
	if !refused || err != nil || v.void || v.address == "" || v.from.Knows(v.c.Now) || !failed(o.Err.Kind) {
		return result, err
	}
	v.from.CountFailure(v.c.Now)
	return result, tx.AddressFailed(v.slot, &v.from)
}

// failed returns whether a refusal was a wrong guess.
func failed(k model.Kind) bool { return k == model.WrongCredential || k == model.OutOfSync }

// arrived saves that a user logged in from the address.
func (v *verification) arrived(tx store.Tx, userID string) error {
	if v.address == "" || !v.from.Due(v.c.Now) {
		return nil
	}
	return tx.AddressKnown(userID, v.address, v.c.Now)
}

func tooManyFrom(now model.Time) error {
	e := wire.ClientError(limit.RetryAfter(time.Duration(model.Tomorrow(now)) * time.Millisecond))
	e.Msg = "too many refused credentials from this address today"
	return e
}
