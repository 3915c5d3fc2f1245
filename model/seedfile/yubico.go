package seedfile

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The log of the YubiKey Personalization Tool has two forms. One file may contain lines of both:
//
//   - Traditional: mode, time, slot, public id, private id, key, access code, new access code, three flags of the public id,
//    digits, initial counter, five flags of other modes. It does not contain the serial number of the device. Instead the public
//    id is used, which the device types before each OTP.
//   - "Yubico": serial, public id, private id, key, access code, time. A private id of 0 means OATH-HOTP.
//
// Only OATH-HOTP keys are read. Rows of other modes are refused, and the error names the mode.

// yubicoModes are the modes of the traditional form.
var yubicoModes = map[string]bool{"oath-hotp": true, "yubico otp": true, "static password": true, "challenge-response": true}

// yubicoMode returns the mode of a traditional row in lower case, without what follows a colon.
func yubicoMode(field string) string {
	mode, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(field)), ":")
	return strings.TrimSpace(mode)
}

func isYubicoStart(field string) bool {
	return strings.EqualFold(strings.TrimSpace(field), "LOGGING START")
}

// isYubicoRow returns whether a row has the "Yubico" form.
func isYubicoRow(row []string) bool {
	if len(row) < 6 {
		return false
	}
	_, number := counterValue(at(row, 0))
	_, err := time.Parse("2006-01-02T15:04:05", at(row, 5))
	return (number || at(row, 0) == "") && err == nil
}

func isYubico(line string) bool {
	row := strings.Split(line, string(commaOf([]byte(line))))
	for i := range row {
		row[i] = strings.Trim(strings.TrimSpace(row[i]), `"`)
	}
	return len(row) > 1 && (yubicoModes[yubicoMode(row[0])] || isYubicoStart(row[0]) || isYubicoRow(row))
}

func readYubico(src *source, f *File, _ Options) error {
	rows := openCSV(src, '#') // not only commas, because spreadsheets change them
	rows.comments = true      // because no serial number of a device begins with #
	for {
		row, line, err := f.next(rows)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case isYubicoStart(row[0]):
			continue
		}
		if err := f.row(); err != nil {
			return err
		}
		k, reason := yubicoRow(row)
		k.Line = line
		if reason != "" {
			f.Bad.add(line, k.Serial, reason)
			continue
		}
		if err := f.key(k); err != nil {
			return err
		}
	}
}

func yubicoRow(row []string) (k Key, reason string) {
	mode := yubicoMode(row[0])
	switch {
	case yubicoModes[mode]:
		if mode != "oath-hotp" {
			// The public id of a scan code password is the password itself, so it must not be shown.
			return k, fmt.Sprintf("mode %s is not supported, only OATH-HOTP", mode)
		}
		return yubicoTraditional(row)
	case isYubicoRow(row):
		k.Serial = at(row, 0)
		switch at(row, 2) {
		case "0":
			k.Algorithm = HOTP
			k.note("the file does not say which slot of the device the key is in")
			if id := at(row, 1); id != "" {
				k.note("the device types %s before each OTP", quoted(id))
			}
			return k.yubicoSecret(at(row, 3))
		case "":
			return k, "mode static password is not supported, only OATH-HOTP"
		}
		return k, "mode yubico otp is not supported, only OATH-HOTP"
	}
	return k, "the row is neither of the traditional nor of the Yubico form"
}

func yubicoTraditional(row []string) (k Key, reason string) {
	k.Serial, k.Algorithm = at(row, 3), HOTP
	if k.Serial == "" {
		return k, "the row has no public id, and so nothing that names the device"
	}
	k.note("the serial is the public id; the device types it before each OTP")
	ok := true
	if s := at(row, 11); s != "" && s != "0" {
		if k.Digits, ok = digitCount(s); !ok {
			return k, fmt.Sprintf("digits %s are not supported, only 6 or 8", shown(s))
		}
	}
	if s := at(row, 12); s != "" {
		if k.Counter, ok = counterValue(s); !ok {
			return k, fmt.Sprintf("initial counter %s is not a number", shown(s))
		}
	}
	if slot := at(row, 2); slot != "" {
		k.Description = "slot " + slot
	}
	return k.yubicoSecret(at(row, 5))
}

func (k Key) yubicoSecret(text string) (Key, string) {
	var ok bool
	if k.Manufacturer = "Yubico"; text == "" {
		return k, "the seed is missing"
	}
	if k.Secret, ok = Hex.decode(text); !ok {
		return k, Hex.mismatch(text)
	}
	return k, ""
}
