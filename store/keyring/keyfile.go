package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"tokensmith/store/durable"
)

// AddKey appends a new key to the key file. From then on it seals.
func (k *Keyring) AddKey() error {
	return k.rewrite(func(text []byte) []byte {
		secret := make([]byte, masterBytes)
		rand.Read(secret)
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		return fmt.Appendf(text, "%s %x\n", keyLine, secret)
	})
}

// Retire removes every key except the one that seals from the key file. The parts that verify the audit log rows signed with
// these keys stay.
func (k *Keyring) Retire() error {
	return k.rewrite(func(text []byte) []byte {
		keys, err := parseKeys(text)
		if err != nil {
			return text // load then refuses it
		}
		last := lastOf(keys)
		var kept []string
		for line := range bytes.Lines(text) {
			line = bytes.TrimSpace(line)
			m, ok := Key{}, false
			if len(line) > 0 && line[0] != '#' {
				m, ok = parseKey(string(line))
			}
			if ok && m.secret != nil && m.ID != last.ID {
				kept = append(kept, fmt.Sprintf("%s %x %x", retiredLine, m.ID, m.subkey("mac "+AuditPurpose)))
			} else {
				kept = append(kept, string(line))
			}
		}
		return []byte(strings.Join(kept, "\n") + "\n")
	})
}

// rewrite changes the text of the key file, durably, completely or not at all. The file keeps its owner and mode.
func (k *Keyring) rewrite(change func([]byte) []byte) error {
	file, err := filepath.EvalSymlinks(k.File)
	if err != nil {
		return err
	}
	unlock, err := durable.LockFolder(file) // so that two processes do not change the file at the same time
	if err != nil {
		return err
	}
	defer unlock()
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text = change(text)
	if _, err := parseKeys(text); err != nil {
		return fmt.Errorf("key file %s: %w", k.File, err)
	}
	f, err := durable.CreateTemp(file, "new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && err == nil {
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return durable.NameFile(err, f.Name(), k.File)
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	if err = durable.SyncDir(filepath.Dir(file)); err != nil {
		return err
	}
	return k.load()
}
