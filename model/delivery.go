package model

import (
	"regexp"
	"slices"
	"strings"
)

// Channels for messages.
const (
	SMTP = "SMTP" // e-mail
	SMS  = "SMS"
)

// States of a delivery.
const (
	Queued = "QUEUED"
	Sent   = "SENT"
	Failed = "FAILED"
)

// Delivery is a queued or sent message. It reports something that has happened. Whether it arrives does not affect what it
// reports.
type Delivery struct {
	ID          string `db:"id"`
	Channel     string `db:"channel"`
	Template    string `db:"template"`
	Recipient   string `db:"recipient"` // an e-mail address or a phone number
	Status      string `db:"status"`
	Attempts    int64  `db:"attempts"`
	Reason      string `db:"reason"` // why the last attempt failed
	Body        []byte `db:"body"`   // sealed; nil after the delivery has ended
	NextTry     Time   `db:"next_try"`
	GoodUntil   Time   `db:"good_until"` // when the message becomes useless; 0 means never
	DateCreated Time   `db:"date_created"`
	LastUpdated Time   `db:"last_updated"`
}

// The waits between failed attempts: 10 s, 40 s, 160 s and so on, at most one hour.
const (
	deliveryTries  = 8
	deliveryWait   = 10_000 // milliseconds
	maxDelivery    = 3600_000
	maxReason      = 500 // bytes
	PasscodeWithin = 5 * 60_000
)

// Ended records the result of an attempt. reason is "" if it succeeded.
func (d *Delivery) Ended(now Time, reason string) {
	d.Attempts++
	d.LastUpdated = now
	d.Reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	wait := Time(deliveryWait)
	for range d.Attempts - 1 {
		wait = min(4*wait, maxDelivery)
	}
	d.NextTry = now + wait
	switch {
	case reason == "":
		d.Status, d.Body = Sent, nil
	case d.Attempts >= deliveryTries, d.GoodUntil != 0 && d.NextTry >= d.GoodUntil:
		d.Status, d.Body = Failed, nil
	}
}

// Template is the text of a kind of message, with parameters in braces, such as "{loginName}".
type Template struct {
	ID      string `db:"id"`
	Name    string `db:"name"`
	Subject string `db:"subject"`
	Text    string `db:"text"`
}

// The kinds of message.
const (
	ActivationCodeMessage = "activationCode"
	DownloadURLMessage    = "downloadUrl"
	PasscodeMessage       = "passcode"

	InstallationCodeMessage = "installationCode"
	EmergencyCodeMessage    = "emergencyCode"
)

// The texts by which RADIUS asks for more. They are templates without a use for their subject.
const (
	PromptOTP           = "radiusOtp"
	PromptOTPOrPasscode = "radiusOtpOrPasscode"
	PromptPassword      = "radiusPassword"
	PromptNextOTP       = "radiusNextOtp"
	PromptNewPIN        = "radiusNewPin"
	PromptNewPINAgain   = "radiusNewPinAgain"
	PromptChannel       = "radiusChannel"
	PromptPasscode      = "radiusPasscode"
)

// Prompts lists them.
var Prompts = []string{PromptOTP, PromptOTPOrPasscode, PromptPassword, PromptNextOTP, PromptNewPIN, PromptNewPINAgain, PromptChannel, PromptPasscode}

// templateParameters lists the parameters of each kind of message.
var templateParameters = map[string][]string{
	ActivationCodeMessage: {"loginName", "firstName", "lastName", "serial", "product", "code", "expires"},
	DownloadURLMessage:    {"loginName", "firstName", "lastName", "serial", "product", "url", "expires"},
	PasscodeMessage:       {"loginName", "firstName", "lastName", "code", "expires"},

	InstallationCodeMessage: {"loginName", "firstName", "lastName", "device", "code", "url", "expires"},
	EmergencyCodeMessage:    {"loginName", "firstName", "lastName", "code", "expires"},

	PromptOTPOrPasscode: {"channels"}, PromptChannel: {"channels"},
}

// templateMust is the parameter that each kind of message must contain to be useful.
var templateMust = map[string]string{ActivationCodeMessage: "{code}", DownloadURLMessage: "{url}", PasscodeMessage: "{code}", InstallationCodeMessage: "{code}",
	EmergencyCodeMessage: "{code}"}

// BuiltinTemplates returns the templates of a new database, without ids.
func BuiltinTemplates() []Template {
	return []Template{
		{Name: ActivationCodeMessage, Subject: "Your activation code",
			Text: "Your activation code for token {serial} is {code}\nIt can be used until {expires}.\n"},
		{Name: DownloadURLMessage, Subject: "Your one-time password token",
			Text: "Open this link and scan the code it shows with your authenticator app:\n{url}\nIt can be used once, until {expires}.\n"},
		{Name: PasscodeMessage, Subject: "Your one-time passcode",
			Text: "Your one-time passcode is {code}\nIt can be used once, until {expires}.\n"},
		{Name: InstallationCodeMessage, Subject: "Your installation code",
			Text: "Your installation code is {code}\nEnter it in the client app of your device, or open this link there:\n{url}\nIt can be used until {expires}.\n"},
		{Name: EmergencyCodeMessage, Subject: "Your emergency code",
			Text: "Enter this in place of a one-time password: {code}\nIt can be used until {expires}. If there are several codes, each is good by itself.\n"},
		{Name: PromptOTP, Subject: "RADIUS", Text: "Enter your one-time password, behind your PIN if you have one:"},
		{Name: PromptOTPOrPasscode, Subject: "RADIUS", Text: "Enter your one-time password, behind your PIN if you have one, or {channels} to be sent a passcode:"},
		{Name: PromptPassword, Subject: "RADIUS", Text: "Enter your password:"},
		{Name: PromptNextOTP, Subject: "RADIUS", Text: "Wait until your token shows another one-time password, and enter that:"},
		{Name: PromptNewPIN, Subject: "RADIUS", Text: "Your PIN must be changed. Enter a new PIN:"},
		{Name: PromptNewPINAgain, Subject: "RADIUS", Text: "Enter the new PIN again:"},
		{Name: PromptChannel, Subject: "RADIUS", Text: "How should your passcode be sent? Enter {channels}:"},
		{Name: PromptPasscode, Subject: "RADIUS", Text: "Enter the passcode that was sent to you:"},
	}
}

var parameter = regexp.MustCompile(`\{([^{}]*)\}`)

// Check returns an error for a parameter that the kind of message does not have, and for a missing required one.
func (t *Template) Check() error {
	known := templateParameters[t.Name]
	for place, text := range map[string]string{"attrs.subject": t.Subject, "attrs.text": t.Text} {
		for _, found := range parameter.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(known, found[1]) {
				return AttrErrorf(Invalid, place, "has no parameter {%s}; there are {%s}", found[1], strings.Join(known, "}, {"))
			}
		}
	}
	if must := templateMust[t.Name]; must != "" && !strings.Contains(t.Subject+t.Text, must) {
		return AttrErrorf(Invalid, "attrs.text", "must have the parameter %s: the message is sent for it", must)
	}
	if strings.ContainsAny(t.Subject, "\r\n") {
		return AttrErrorf(Invalid, "attrs.subject", "must be one line")
	}
	return nil
}

// Fill returns the subject and text with the values of the parameters. Line breaks in values become spaces.
func (t *Template) Fill(values map[string]string) (subject, text string) {
	fill := func(s string) string {
		return parameter.ReplaceAllStringFunc(s, func(p string) string {
			return strings.NewReplacer("\r", " ", "\n", " ").Replace(values[p[1:len(p)-1]])
		})
	}
	return fill(t.Subject), fill(t.Text)
}
