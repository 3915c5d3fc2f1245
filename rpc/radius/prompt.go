package radius

import (
	"fmt"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/login"
)

// promptOf returns the name of the template with which a user is asked for more, and whether what the user types may be shown.
func promptOf(o *login.Outcome) (name string, echo bool) {
	switch o.Next.Ask {
	case login.AskNextOTP:
		return model.PromptNextOTP, false
	case login.AskNewPIN:
		return model.PromptNewPIN, false
	case login.AskNewPINAgain:
		return model.PromptNewPINAgain, false
	case login.AskChannel:
		return model.PromptChannel, true
	case login.AskPasscode:
		return model.PromptPasscode, false
	}
	has := func(code string) bool { return slices.Contains(o.Codes, code) }
	switch {
	case has(model.OTPCode) && has(model.OnDemandCode):
		return model.PromptOTPOrPasscode, false
	case has(model.OTPCode):
		return model.PromptOTP, false
	}
	return model.PromptPassword, false
}

// channelList returns the channels that a user may choose from: "1 (e-mail) or 2 (SMS)".
func channelList(channels []string) string {
	parts := make([]string, len(channels))
	for i, channel := range channels {
		parts[i] = fmt.Sprintf("%d (%s)", i+1, channelName(channel))
	}
	return strings.Join(parts, " or ")
}

// channelName is how a channel is shown to a user.
func channelName(channel string) string {
	if channel == model.SMTP {
		return "e-mail"
	}
	return channel
}
