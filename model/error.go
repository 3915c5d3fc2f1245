package model

import (
	"fmt"
)

// Kind classifies an error. rpc/wire/errors.go maps each kind to an error code. The code of NotFound depends on its Noun. No
// other place contains codes.
type Kind uint8

// The kinds of error.
const (
	Internal     Kind = iota // an error in the server; the cause is only logged
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
	Ambiguous                // a selector matches more than one object
	Stale                    // changed since it was read
	KeyReused                // idempotency key used for another request
	NotFound                 // no object of the kind Error.Noun was found
	WrongCredential
	Locked
	Disabled
	NotValidNow
	OutOfSync
	Replayed
	PINExpired
	UsageLimit
	TokenUnusable    // the token is disabled or deceased, so this is not possible
	TokenConfined    // a confined token cannot be downloaded
	NotDownloadable  // this kind of token cannot be downloaded
	BadLink          // link or activation code invalid or expired
	FileUnreadable   // a token file that cannot be read
	FileKey          // a token file's password or key is wrong, or a MAC does not match
	ImportRefused    // rows of a token file are refused
	BatchRefused     // rows of a batch file are refused
	DomainNotDefined // a domain in an assignment file is not defined
	RecordBroken     // the audit log was changed by hand
	NoSeat           // no license seat is left
	LicenseExpired
	TokenInvalid   // a client token that is malformed, unknown, or of a deleted device
	TokenEnded     // the client token has ended: its device is logged out
	DeviceInactive // the device of a client token is inactive
	CodeUnknown    // no such installation code
	CodeExpired
	CodeUsedUp
	CodeDisabled
	TargetGone // the account or device of an installation code is not available
	Installed  // the installation was completed already

	kinds // the number of kinds
)

// Kinds returns all kinds.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for k := range all {
		all[k] = Kind(k)
	}
	return all
}

// Error is an error that a client may see. Msg is one sentence for the client and never contains a secret. Err is the cause,
// which is only logged. Detail is machine-readable and becomes the result of the reply.
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

// Errorf returns an Error of a kind with a formatted message.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// UnavailableError returns the error for something that failed temporarily. why is only logged.
func UnavailableError(why error) *Error {
	return &Error{Kind: Unavailable, Msg: "temporarily unavailable, try again", Err: why}
}

// AttributeDetail names the attribute that an error is about.
type AttributeDetail struct {
	Attribute string `json:"attribute"`
}

// AttrErrorf returns an error about the attribute at place, a path such as "attrs.pin".
func AttrErrorf(k Kind, place, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: place + ": " + fmt.Sprintf(format, args...), Detail: AttributeDetail{place}}
}

// NotFoundError returns the error that no object of a kind was found, such as "token not found".
func NotFoundError(n Noun) *Error {
	return &Error{Kind: NotFound, Noun: n, Msg: n.String() + " not found"}
}

// RowError is a refused row of a file.
type RowError struct {
	Line   int    // line in the file, starting at 1; 0 if the format has no lines
	Serial string // the row's serial number, if it could be read
	Reason string // the reason, for readers; never contains a secret
}
