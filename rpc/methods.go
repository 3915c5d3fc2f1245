package rpc

import (
	"strings"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
)

// loginSelects are the objects by which a login may select the user.
var loginSelects = []string{"user", "token", "tokenAssignment"}

// methods is the only table of methods. The path of a method is also its permission (dispatch.Call.Allowed). A method with
// Reveals is permitted only by its exact name or "*".
var methods = []dispatch.Method{
	{Path: "domain/create", Target: "Domain.Create", About: "Makes a domain."},
	{Path: "domain/get", Target: "Domain.Get", About: "Reads one domain."},
	{Path: "domain/set", Target: "Domain.Set", About: "Changes a domain."},
	{Path: "domain/delete", Target: "Domain.Delete", About: "Deletes a domain without users, groups, units and installation codes."},
	{Path: "domain/search", Target: "Domain.Search", About: "Finds domains."},
	{Path: "domain/deployTokens", Target: "TokenAssignment.DeployTokens", Alone: true, About: "Makes and assigns a token of a soft product for every ACTIVE user of a domain who has none of it, up to 100,000, all or nothing."},
	{Path: "domain/estimateGuessing", Target: "Guessing.Estimate", About: "Computes how far guessing OTPs for a year gets with the present settings."},

	{Path: "user/create", Target: "User.Create", About: "Makes a user in a domain."},
	{Path: "user/get", Target: "User.Get", About: "Reads one user."},
	{Path: "user/set", Target: "User.Set", About: "Changes a user."},
	{Path: "user/delete", Target: "User.Delete", About: "Deletes a user without tokens, devices and installation codes."},
	{Path: "user/search", Target: "User.Search", About: "Finds users."},
	{Path: "user/unlock", Target: "User.Unlock", About: "Unlocks a user, at the console as well, and forgets refused credentials."},
	{Path: "user/resetPassword", Target: "User.ResetPassword", Reveals: true, About: "Sets a new password, or makes a random one and returns it; it must then be changed."},
	{Path: "user/import", Target: "User.Import", Large: true, About: "Creates or updates the users of a CSV file, all or nothing."},

	{Path: "group/create", Target: "Group.Create", About: "Makes a group of users in a domain."},
	{Path: "group/get", Target: "Group.Get", About: "Reads one group of users."},
	{Path: "group/set", Target: "Group.Set", About: "Changes a group of users."},
	{Path: "group/delete", Target: "Group.Delete", About: "Deletes a group of users; its users and the groups in it stay."},
	{Path: "group/search", Target: "Group.Search", About: "Finds groups of users."},
	{Path: "group/addUsers", Target: "Group.AddUsers", About: "Puts up to 10,000 users into a group, all or nothing; those who are in it stay."},
	{Path: "group/removeUsers", Target: "Group.RemoveUsers", About: "Takes up to 10,000 users out of a group, all or nothing."},

	{Path: "unit/create", Target: "Unit.Create", About: "Makes a unit in a domain, at its top or below another unit."},
	{Path: "unit/get", Target: "Unit.Get", About: "Reads one unit."},
	{Path: "unit/set", Target: "Unit.Set", About: "Changes a unit; `parent` moves it, with what is below it."},
	{Path: "unit/delete", Target: "Unit.Delete", About: "Deletes a unit without units below it and users in it."},
	{Path: "unit/search", Target: "Unit.Search", About: "Finds units."},

	{Path: "identitySource/create", Target: "IdentitySource.Create", About: "Makes an identity source, of type sql."},
	{Path: "identitySource/get", Target: "IdentitySource.Get", About: "Reads one identity source."},
	{Path: "identitySource/set", Target: "IdentitySource.Set", About: "Changes an identity source."},
	{Path: "identitySource/delete", Target: "IdentitySource.Delete", About: "Deletes an identity source without domains."},
	{Path: "identitySource/search", Target: "IdentitySource.Search", About: "Finds identity sources."},

	{Path: "product/create", Target: "Product.Create", About: "Makes a product: how a kind of token makes and checks OTPs."},
	{Path: "product/get", Target: "Product.Get", About: "Reads one product."},
	{Path: "product/set", Target: "Product.Set", About: "Changes a product; attributes that OTPs depend on can be changed only while it has no tokens."},
	{Path: "product/delete", Target: "Product.Delete", About: "Deletes a product without tokens."},
	{Path: "product/search", Target: "Product.Search", About: "Finds products."},

	{Path: "repository/create", Target: "Repository.Create", About: "Makes a repository of tokens."},
	{Path: "repository/get", Target: "Repository.Get", About: "Reads one repository."},
	{Path: "repository/set", Target: "Repository.Set", About: "Changes a repository."},
	{Path: "repository/delete", Target: "Repository.Delete", About: "Deletes an empty repository."},
	{Path: "repository/search", Target: "Repository.Search", About: "Finds repositories."},

	{Path: "token/create", Target: "Token.Create", Large: true, AlsoOpenedBy: []string{"token/import"}, About: "Makes a token and, with `user`, assigns it; with `data` it is token/import."},
	{Path: "token/get", Target: "Token.Get", About: "Reads one token."},
	{Path: "token/set", Target: "Token.Set", About: "Changes a token."},
	{Path: "token/delete", Target: "Token.Delete", Selects: []string{"token", "user"}, About: "Deletes a token; with `user` only takes it from that user."},
	{Path: "token/search", Target: "Token.Search", About: "Finds tokens."},
	{Path: "token/reset", Target: "Token.Reset", About: "Clears drift, failures, a pending resynchronisation, and the mark of a time-based token if that lies in the future; sets the counter when given."},
	{Path: "token/confine", Target: "Token.Confine", About: "Forbids further downloads of a soft token."},
	{Path: "token/release", Target: "Token.Release", About: "Allows downloads again."},
	{Path: "token/getDownloadUrl", Target: "Token.GetDownloadURL", Reveals: true, About: "Makes a one-time provisioning link of a soft token; a newer one ends it, and so does assigning the token. With `qrCode`, also returns the link's QR code, a PNG in base64."},
	{Path: "token/retrieveCredential", Target: "Token.RetrieveCredential", Reveals: true, About: "Returns a soft token's otpauth:// URI and its seed in base32."},
	{Path: "token/import", Target: "Token.Import", Large: true, About: "Imports a token file, all or nothing."},
	{Path: "token/export", Target: "Token.Export", Reveals: true, About: "Writes tokens with their seeds as a PSKC file, encrypted with a password."},
	{Path: "token/syncToken", Target: "Auth.SyncSelected", Selects: []string{"token", "user"}, NotAtomic: true, About: "Synchronises a token by two consecutive OTPs."},
	{Path: "token/batchAssignTokens", Target: "Token.BatchAssignTokens", Large: true, About: "Assigns tokens to users by a CSV file, all or nothing."},

	{Path: "tokenAssignment/create", Target: "TokenAssignment.Create", About: "Assigns a token to a user."},
	{Path: "tokenAssignment/get", Target: "TokenAssignment.Get", About: "Reads one assignment."},
	{Path: "tokenAssignment/set", Target: "TokenAssignment.Set", About: "Changes an assignment."},
	{Path: "tokenAssignment/delete", Target: "TokenAssignment.Delete", About: "Takes a token from a user."},
	{Path: "tokenAssignment/search", Target: "TokenAssignment.Search", About: "Finds assignments."},
	{Path: "tokenAssignment/activate", Target: "TokenAssignment.Activate", Selects: []string{"tokenAssignment", "user", "token"}, NotAtomic: true, About: "Makes an assignment active by its activation code."},
	{Path: "tokenAssignment/sendActivationCode", Target: "TokenAssignment.SendActivationCode", About: "Sends the user a new activation code by SMTP or SMS."},
	{Path: "tokenAssignment/sendDownloadUrl", Target: "TokenAssignment.SendDownloadURL", About: "Sends the user a provisioning link by SMTP or SMS."},
	{Path: "tokenAssignment/getTokenQRCode", Target: "TokenAssignment.GetTokenQRCode", Reveals: true, About: "Returns a soft token's QR code, a PNG in base64."},
	{Path: "tokenAssignment/sort", Target: "TokenAssignment.Sort", About: "Sets the order in which a user's tokens are tried."},

	{Path: "tempPass/create", Target: "TempPass.Create", IssuesSecret: true, About: "Makes emergency codes of a user, which stand for the OTPs of a lost token; with `count` it returns an array. `password` in `return` shows them, this once, to who has the permission of this exact name, or `*`."},
	{Path: "tempPass/get", Target: "TempPass.Get", About: "Reads one emergency code; `password` is always `****`."},
	{Path: "tempPass/set", Target: "TempPass.Set", About: "Changes how long, and how often, an emergency code is good."},
	{Path: "tempPass/delete", Target: "TempPass.Delete", About: "Deletes an emergency code, which ends it."},
	{Path: "tempPass/search", Target: "TempPass.Search", About: "Finds emergency codes; `password` is always `****`."},
	{Path: "tempPass/send", Target: "TempPass.Send", About: "Sends emergency codes of a user in one message, by a `type` (EMAIL, SMS) that the domain's passcodeChannels name. `to` another address than the user's: only with the permission of this exact name, or `*`."},

	{Path: "auth/verify", Target: "Auth.Verify", Limited: true, Selects: loginSelects, About: "Checks a login's OTP, with the PIN in front, or static password."},
	{Path: "auth/logon", Target: "Auth.Logon", Limited: true, Selects: loginSelects, About: "The same, for a step of a logon: only what passes the `step`, the first if not given, is taken."},
	{Path: "auth/sendOTP", Target: "Auth.SendOTP", Limited: true, Selects: loginSelects, About: "Sends a one-time passcode by e-mail or SMS, good once, for five minutes."},
	{Path: "auth/syncToken", Target: "Auth.SyncToken", Limited: true, Selects: loginSelects, About: "Synchronises a user's token by two consecutive OTPs."},
	{Path: "auth/listTokens", Target: "Auth.ListTokens", Limited: true, Selects: loginSelects, About: "Lists a user's tokens."},
	{Path: "auth/listTokenAssignments", Target: "Auth.ListTokenAssignments", Limited: true, Selects: loginSelects, About: "Lists a user's token assignments."},
	{Path: "auth/listDomains", Target: "Auth.ListDomains", Limited: true, Selects: loginSelects, About: "Lists the domains one may log in to."},
	{Path: "auth/listApplications", Target: "Auth.ListApplications", Limited: true, Selects: loginSelects, About: "Lists the applications one may log in to: the caller's, or all if it has none."},
	{Path: "auth/listAuthenticators", Target: "Asked.ListAuthenticators", Limited: true, Selects: loginSelects, About: "Lists the kinds of credential that pass a step of a logon."},
	{Path: "auth/getLogonSteps", Target: "Asked.GetLogonSteps", Limited: true, Selects: loginSelects, About: "Says by which steps a user logs on to an application."},
	{Path: "auth/activateTokenAssignment", Target: "Auth.ActivateTokenAssignment", Limited: true, Selects: loginSelects, About: "Makes an assignment active by its activation code; five wrong ones end it."},
	{Path: "auth/logout", Target: "Asked.Logout", Limited: true, Selects: loginSelects, About: "Ends a logon; there are no sessions."},
	{Path: "auth/resetLogon", Target: "Asked.ResetLogon", Limited: true, Selects: loginSelects, About: "Gives up a logon in steps; there are no sessions."},

	{Path: "device/create", Target: "Device.Create", IssuesSecret: true, About: "Makes a device and returns its client token."},
	{Path: "device/get", Target: "Device.Get", About: "Reads one device."},
	{Path: "device/set", Target: "Device.Set", About: "Changes a device."},
	{Path: "device/delete", Target: "Device.Delete", About: "Deletes a device: its client token ends and its seat is free."},
	{Path: "device/search", Target: "Device.Search", About: "Finds devices."},
	{Path: "device/createMany", Target: "Device.CreateMany", IssuesSecret: true, About: "Makes up to 100,000 devices of a label, in the group of that name, all or nothing; with `csv`, returns their client tokens."},
	{Path: "device/revealToken", Target: "Device.RevealToken", Reveals: true, About: "Returns a device's client token again."},
	{Path: "device/generateToken", Target: "Device.GenerateToken", Reveals: true, About: "Gives a device a new client token; the old one is logged out. `expect` is the hint of the one it shall replace."},
	{Path: "device/revokeToken", Target: "Device.RevokeToken", About: "Ends a device's client token without a new one."},
	{Path: "device/connect", Target: "Device.Connect", Device: true, About: "Tells a device, by its `token`, who it is."},
	{Path: "device/events", Device: true, Stream: true, About: "Streams `ping` and `loggedOut` to a device (server-sent events; `Authorization: Bearer` with its client token; GET or POST)."},

	{Path: "installationCode/create", Target: "InstallationCode.Create", IssuesSecret: true, About: "Makes an installation code."},
	{Path: "installationCode/get", Target: "InstallationCode.Get", About: "Reads one installation code; `code` only with the permission of this exact name, or `*`."},
	{Path: "installationCode/set", Target: "InstallationCode.Set", About: "Changes an installation code; a new text ends the old one at once."},
	{Path: "installationCode/delete", Target: "InstallationCode.Delete", About: "Deletes an installation code; devices installed with it stay."},
	{Path: "installationCode/search", Target: "InstallationCode.Search", About: "Finds installation codes; `code` as in get."},
	{Path: "installationCode/generateCode", Target: "InstallationCode.GenerateCode", About: "Returns a random code for an editor, or the `code` that is given, with `qrCode` its QR code as well; nothing is stored."},
	{Path: "installationCode/getQRCode", Target: "InstallationCode.GetQRCode", Reveals: true, About: "Returns the QR code of a code that can still be used, a PNG in base64; with `code` the code as well."},
	{Path: "installationCode/send", Target: "InstallationCode.Send", About: "Sends a code to its account, or its device's owner, by SMTP or SMS."},
	{Path: "installationCode/listUses", Target: "InstallationCode.ListUses", About: "Lists who used a code, and when."},
	{Path: "installationCode/redeem", Target: "InstallationCode.Redeem", Device: true, About: "Lets a device in by a `code`; returns its client token. A `nonce` makes it repeatable."},
	{Path: "installationCode/check", Target: "InstallationCode.Check", Device: true, About: "Tells what a `code` is for and until when it can be used."},

	{Path: "license/create", Target: "License.Create", About: "Makes a license."},
	{Path: "license/get", Target: "License.Get", About: "Reads one license."},
	{Path: "license/set", Target: "License.Set", About: "Changes a license."},
	{Path: "license/delete", Target: "License.Delete", About: "Deletes a license that no device has."},
	{Path: "license/search", Target: "License.Search", About: "Finds licenses."},

	{Path: "deviceGroup/create", Target: "DeviceGroup.Create", About: "Makes a group of devices."},
	{Path: "deviceGroup/get", Target: "DeviceGroup.Get", About: "Reads one group of devices."},
	{Path: "deviceGroup/set", Target: "DeviceGroup.Set", About: "Changes a group of devices."},
	{Path: "deviceGroup/delete", Target: "DeviceGroup.Delete", About: "Deletes a group of devices without groups in it; its devices stay."},
	{Path: "deviceGroup/search", Target: "DeviceGroup.Search", About: "Finds groups of devices."},

	{Path: dispatch.ExecutePath, Limited: true, Target: "Batch.Execute", Large: true, About: "Carries out up to 10,000 calls; `atomic` undoes all of them when one is refused."},

	{Path: "template/get", Target: "Template.Get", About: "Reads the text of a kind of message."},
	{Path: "template/set", Target: "Template.Set", About: "Changes it; an unknown parameter is refused."},
	{Path: "template/search", Target: "Template.Search", About: "Finds the texts of messages."},

	{Path: "delivery/get", Target: "Delivery.Get", About: "Reads one message's delivery."},
	{Path: "delivery/search", Target: "Delivery.Search", About: "Finds deliveries."},

	{Path: "agent/create", Target: "Agent.Create", IssuesSecret: true, About: "Makes an API agent; returns its client secret, once."},
	{Path: "agent/get", Target: "Agent.Get", About: "Reads one agent."},
	{Path: "agent/set", Target: "Agent.Set", About: "Changes an agent."},
	{Path: "agent/delete", Target: "Agent.Delete", About: "Deletes an agent."},
	{Path: "agent/search", Target: "Agent.Search", About: "Finds agents."},
	{Path: "agent/listApplications", Target: "Agent.ListApplications", About: "Lists the calling agent's applications."},
	{Path: "agent/addApplication", Target: "Agent.AddApplication", Selects: []string{"agent", "application"}, About: "Gives an agent an application, if it does not have it."},
	{Path: "agent/removeApplication", Target: "Agent.RemoveApplication", Selects: []string{"agent", "application"}, About: "Takes an application from an agent, if it has it."},
	{Path: "agent/listTypes", Target: "Agent.ListTypes", Limited: true, About: "Lists the types of agents."},
	{Path: "agent/rotateSecret", Target: "Agent.RotateSecret", IssuesSecret: true, About: "Gives an agent a new client secret; the old one stays good for `overlap` seconds, 86400 if not given."},

	{Path: "application/create", Target: "Application.Create", About: "Makes an application, which users log on to."},
	{Path: "application/get", Target: "Application.Get", About: "Reads one application."},
	{Path: "application/set", Target: "Application.Set", About: "Changes an application."},
	{Path: "application/delete", Target: "Application.Delete", About: "Deletes an application that no agent and no client of RADIUS has."},
	{Path: "application/search", Target: "Application.Search", About: "Finds applications."},
	{Path: "application/selfTest", Target: "Application.SelfTest", About: "Says what an application lacks before anybody can log on to it."},

	{Path: "realm/create", Target: "Realm.Create", About: "Makes a realm: the domains whose users log on to an application."},
	{Path: "realm/get", Target: "Realm.Get", About: "Reads one realm."},
	{Path: "realm/set", Target: "Realm.Set", About: "Changes a realm."},
	{Path: "realm/delete", Target: "Realm.Delete", About: "Deletes a realm that no application has."},
	{Path: "realm/search", Target: "Realm.Search", About: "Finds realms."},

	{Path: "logonProcedure/create", Target: "LogonProcedure.Create", About: "Makes a logon procedure, whose steps are made after it."},
	{Path: "logonProcedure/get", Target: "LogonProcedure.Get", About: "Reads one logon procedure."},
	{Path: "logonProcedure/set", Target: "LogonProcedure.Set", About: "Changes a logon procedure."},
	{Path: "logonProcedure/delete", Target: "LogonProcedure.Delete", About: "Deletes a logon procedure that no application has, and its steps."},
	{Path: "logonProcedure/search", Target: "LogonProcedure.Search", About: "Finds logon procedures."},

	{Path: "logonStep/create", Target: "LogonStep.Create", About: "Makes a step of a logon procedure, which any of its authenticators passes."},
	{Path: "logonStep/get", Target: "LogonStep.Get", About: "Reads one step."},
	{Path: "logonStep/set", Target: "LogonStep.Set", About: "Changes a step."},
	{Path: "logonStep/delete", Target: "LogonStep.Delete", About: "Deletes a step."},
	{Path: "logonStep/search", Target: "LogonStep.Search", About: "Finds steps."},

	{Path: "radiusClient/create", Target: "RadiusClient.Create", IssuesSecret: true, About: "Makes a client of RADIUS; returns the secret that was made for it, once."},
	{Path: "radiusClient/get", Target: "RadiusClient.Get", About: "Reads one client of RADIUS."},
	{Path: "radiusClient/set", Target: "RadiusClient.Set", About: "Changes a client of RADIUS."},
	{Path: "radiusClient/delete", Target: "RadiusClient.Delete", About: "Deletes a client of RADIUS."},
	{Path: "radiusClient/search", Target: "RadiusClient.Search", About: "Finds clients of RADIUS."},
	{Path: "radiusClient/rotateSecret", Target: "RadiusClient.RotateSecret", IssuesSecret: true, About: "Gives a client of RADIUS a new `secret`, made if not given; the old one stays good for `overlap` seconds, 86400 if not given."},

	{Path: "attribute/get", Target: "Attribute.Get", Limited: true, About: "Tells of one attribute of an object, named by `objectName` and `name` in the match."},
	{Path: "attribute/search", Target: "Attribute.Search", Limited: true, About: "Tells of the attributes of an object, named by `objectName` in the match."},

	{Path: "audit/get", Target: "Audit.Get", About: "Reads one row of the record."},
	{Path: "audit/search", Target: "Audit.Search", About: "Finds rows of the record: who did what, and how it ended."},
	{Path: "audit/history", Target: "Audit.History", About: "Returns what the record says of up to 1,000 `objects`, such as \"token ID\", the newest first, but for accepted logins. Takes `max` and `cursor` as a search."},
	{Path: "audit/histogram", Target: "Audit.Histogram", About: "Counts the rows of the record that `match`, done and refused, in `parts` equal parts (48 if not given, 200 at most) of the time `from` to `until`, as far as the newest 40,000 of them tell."},
	{Path: "audit/overview", Target: "Audit.Overview", About: "Counts tokens, users and devices, with their change since a week ago, what needs attention, up to 1,000 of each kind, and the logins of the last 24 hours by the hour, as far as the newest 40,000 rows of the record tell of them."},
	{Path: "audit/verify", Target: "Audit.Verify", About: "Checks that nobody changed the record, or cut off its end after `expectHead` or the head that is kept next to the key file."},
}

// The declaration of an object decides which of its methods may be called by an agent that is limited to domains.
func init() {
	for i := range methods {
		noun, verb, _ := strings.Cut(methods[i].Path, "/")
		if o := object.Types[noun]; o != nil && o.OpenToLimited(verb) {
			methods[i].Limited = true
		}
	}
}
