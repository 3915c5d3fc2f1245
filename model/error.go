package model

import (
	"fmt"
)

// Kind classifies an error. The wire maps each kind to one code in rpc/wire/errors.go, but for NotFound, whose code is its
// noun's; nothing else names a code.
type Kind uint8

// The kinds of error.
const (
	Internal     Kind = iota // a fault of ours; the cause goes to the log only
	Unreadable               // the request cannot be read
	NoMethod                 // no such method
	NotAuthentic             // the caller is not authenticated
	NotPermitted             // the caller may not do this
	TooLarge                 // the request is larger than its method takes
	TooMany                  // too many requests
	Unavailable              // temporarily unavailable: try again
	Missing                  // a required parameter is missing
	Invalid                  // a value is not valid
	UnknownAttr              // an attribute the object does not have
	Exists                   // already exists
	InUse                    // still in use
	Ambiguous                // a selector fits more than one object
	Stale                    // changed since it was read
	KeyReused                // idempotency key used for another request
	NotFound                 // what Error.Noun names was not found
	WrongCredential
	Locked
	Disabled
	NotValidNow
	OutOfSync
	Replayed
	PINExpired
	UsageLimit
	TokenUnusable    // token disabled or deceased for this act
	TokenConfined    // a confined token cannot be downloaded
	NotDownloadable  // this kind of token cannot be downloaded
	BadLink          // link or activation code invalid or expired
	FileUnreadable   // a token file that cannot be read
	FileKey          // a token file's password or key is wrong, or a MAC does not match
	ImportRefused    // rows of a token file are refused
	BatchRefused     // rows of a batch file are refused
	DomainNotDefined // a domain named to assign from is not defined
	RecordBroken     // the audit record was changed by hand
	NoSeat           // no license seat is left
	LicenseExpired
	TokenInvalid   // a client token that is malformed, unknown, or of a deleted device
	TokenEnded     // a client token that ended: its device is logged out
	DeviceInactive // the device of a client token is inactive
	CodeUnknown    // no such installation code
	CodeExpired
	CodeUsedUp
	CodeDisabled
	TargetGone // an installation code's account or device is not available
	Installed  // the installation was completed already

	kinds // how many there are
)

// Kinds lists all kinds.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for k := range all {
		all[k] = Kind(k)
	}
	return all
}

// Error is an error a client may see. Msg is one sentence for the client and never holds a secret; Err is the
// cause, for the log only; Detail is machine-readable and becomes the reply's result.
type Error struct {
	Kind   Kind
	Noun   Noun // for NotFound
	Msg    string
	Err    error
	Detail any
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind with a formatted message.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// UnavailableError makes the error of what failed for now; why is for the log.
func UnavailableError(why error) *Error {
	return &Error{Kind: Unavailable, Msg: "temporarily unavailable, try again", Err: why}
}

// AttributeDetail names the attribute a refusal is about.
type AttributeDetail struct {
	Attribute string `json:"attribute"`
}

// AttrErrorf refuses the attribute at place (a path such as "attrs.pin") and says why.
func AttrErrorf(k Kind, place, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: place + ": " + fmt.Sprintf(format, args...), Detail: AttributeDetail{place}}
}

// Missed says that nothing of a kind fits, in the wire's words: "token not found".
func Missed(n Noun) *Error {
	return &Error{Kind: NotFound, Noun: n, Msg: n.String() + " not found"}
}

// RowError is one refused row of a file.
type RowError struct {
	Line   int    // 1-based line of the file; 0 when the format has no lines
	Serial string // the row's serial, when it could be read
	Reason string // why, for people; never a secret
}
