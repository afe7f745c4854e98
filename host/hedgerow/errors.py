"""What can go wrong for a user. An error's docstring is the sentence that the user reads.

All in one file, long as it is: side by side one sees where two sentences say the same, or speak differently.
"""

from hedgerow_core.errors import HedgerowError


class UserError(HedgerowError):
    """Something went wrong."""

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__((type(self).__doc__ or "").format(**details))


class NoHome(UserError):
    """There is no account in {home}: run `hedgerow init` first."""


class HomeExists(UserError):
    """There is an account in {home} already: choose another folder with --home."""


class HomeDamaged(UserError):
    """The data in {home} cannot be read ({reason}): restore a copy, or start anew in another folder."""


class HomeLocked(UserError):
    """{home} is locked: run `hedgerow unlock`, or set HEDGEROW_PASSPHRASE for one command."""


class WrongPassphrase(UserError):
    """This passphrase is wrong: try again, or begin elsewhere with `hedgerow init --recover`."""


class NoPassphrase(UserError):
    """{home} has no passphrase, so it cannot be locked: set one with `hedgerow passphrase`."""


class PassphraseMissing(UserError):
    """A passphrase is needed: type it on a terminal, set HEDGEROW_PASSPHRASE, or give it as input."""


class PassphrasesDiffer(UserError):
    """The two passphrases are not the same, so nothing was changed: try again."""


class NoKeyring(UserError):
    """There is no keyring here ({reason}): set a passphrase with `hedgerow passphrase` instead."""


class KeyringLocks(UserError):
    """The system's keyring opens {home}, and locks with your session: set a passphrase to lock it here."""


class NoUnlocking(UserError):
    """This system cannot keep a home unlocked ({reason}): set HEDGEROW_PASSPHRASE instead."""


class HomeCopied(UserError):
    """{home} is a copy, or was put back: where no other goes on, `hedgerow adopt` makes it the only one."""


class BackupDamaged(UserError):
    """{path} is no whole backup: take another copy of it."""


class BackupVersion(UserError):
    """{path} was made by another version of Hedgerow: restore it with that version."""


class BackupPassphrase(UserError):
    """This is not the passphrase of {path}: try again."""


class BackupPassphraseMissing(UserError):
    """The backup's passphrase is needed: type it, set HEDGEROW_BACKUP_PASSPHRASE, or give it as input."""


class FileExists(UserError):
    """There is a file {path} already: choose another name."""


class FileMissing(UserError):
    """{path} cannot be read ({reason}): check the name."""


class NotWiped(UserError):
    """This could not be wiped: {left}. Delete it yourself."""


class BoardGoesOn(UserError):
    """{name} still takes its pairing key: flash it anew."""


class BoardsNotErased(UserError):
    """Not erased: {boards}. Each holds its mesh key, its pairing key and sealed letters: flash it anew."""


class BadPhrase(UserError):
    """This is no recovery phrase ({reason}): type its 24 words in their order."""


class NoPhrase(UserError):
    """This account was made without a recovery phrase: keep a copy of it with `hedgerow backup`."""


class HomeBusy(UserError):
    """Another program is writing to {home}: wait until it has finished and try again."""


class CannotWrite(UserError):
    """{home} cannot be written ({reason}): make room or choose another folder with --home, then try again."""


class BadName(UserError):
    """A name has 1 to 32 characters and none that cannot be printed: choose another one."""


class NameMissing(UserError):
    """Say what you are called: `hedgerow init --name Alice`."""


class InviteDamaged(UserError):
    """This invite is damaged: copy it whole, from `hedgerow:` to its last character, and try again."""


class InviteExpired(UserError):
    """This invite has expired: ask for a new one."""


class InviteVersion(UserError):
    """This invite was made by another version of Hedgerow: update both sides and ask for a new one."""


class InviteOwn(UserError):
    """This invite is your own: give it to somebody else, they add it."""


class AlreadyContact(UserError):
    """{name} is a contact of yours already: write with `hedgerow send`."""


class UnknownContact(UserError):
    """There is no contact named {name}: `hedgerow contacts` lists them."""


class NameTaken(UserError):
    """There is a contact or group named {name} already: choose another name."""


class BadBoardName(UserError):
    """A board or a mesh has a name of 1 to 32 characters, without ":" and no "/" before: choose another."""


class UnknownBoard(UserError):
    """There is no board named {name} here: `hedgerow board list` shows those that are."""


class BoardNameTaken(UserError):
    """There is a board named {name} already: choose another name."""


class UnknownMesh(UserError):
    """There is no mesh named {name} here: `hedgerow mesh list` shows those that are."""


class MeshNameTaken(UserError):
    """There is a mesh named {name} already: choose another name."""


class MeshDamaged(UserError):
    """This invitation to a mesh is damaged: copy it whole, from `hedgerow:` to its last character."""


class MeshVersion(UserError):
    """This invitation to a mesh was made by another version of Hedgerow: update both sides."""


class PairingCodeDamaged(UserError):
    """This pairing code is damaged: copy it whole, from `hedgerow:` to its last character."""


class PairingCodeVersion(UserError):
    """This pairing code was made by another version of Hedgerow: update both sides."""


class BadSetting(UserError):
    """{name} cannot be set so: {reason}."""


class SettingRefused(UserError):
    """The board does not take this setting: update it, and try again."""


class NotOwner(UserError):
    """Only owners may do that with a board, and this computer is its guest: ask who lent it to you."""


class BoardFailed(UserError):
    """The board could not do that: `hedgerow board status` and `hedgerow board log` may tell why."""


class NoLed(UserError):
    """The board has no LED that it knows of: name its pin with `hedgerow board config set NAME led_pin=2`."""


class TooManyPairings(UserError):
    """The board has no room for another pairing: `hedgerow board unpair NAME --who WHO` makes some."""


class OwnPairing(UserError):
    """That is this computer's own pairing: `hedgerow board unpair {name}` without --who takes it away."""


class PairingsAlike(UserError):
    """Several are called so: name one by its id, {ids}."""


class NotMaker(UserError):
    """The admin secret of {name} is not here: ask who made the mesh."""


class NoCareKey(UserError):
    """{name} takes no commands over the mesh: flash it again, or pair this computer with it as an owner."""


class NoCareLeft(UserError):
    """{name} got as many commands over the mesh as its key allows: flash it again."""


class TooManyCommands(UserError):
    """{name} has not answered 20 commands: `hedgerow care list` shows them, `care cancel` gives one up."""


class UnknownCommand(UserError):
    """There is no command {number} here: `hedgerow care list` shows those of the last 30 days."""


class CommandOver(UserError):
    """Command {number} for {name} is {state} already: there is nothing to give up."""


class NotAnswered(UserError):
    """{name} has not answered yet: `hedgerow care list` shows when it does."""


class RekeyingAlready(UserError):
    """Another key for {name} is on its way already: `hedgerow mesh keys` shows which boards have it."""


class NoneToRekey(UserError):
    """No board of {name} would get the key from this computer: `hedgerow board pair` first."""


class RekeyTooSoon(UserError):
    """A mesh needs at least {minutes} minutes to tell all its boards: `--in 1h` is a good choice."""


class PairingRefused(UserError):
    """{name} refuses this computer's key: where it is the right board, --forget takes it out here."""


class LastOwner(UserError):
    """This is the last owner: pair another computer first, or erase the board with `hedgerow board wipe`."""


class NoSuchPairing(UserError):
    """Nobody is paired so: `hedgerow board list --who NAME` shows who is."""


class PairingCodeUsed(UserError):
    """{name} does not take this code: it was used, or a newer one was made; ask its owner for another."""


class PairingUnfinished(UserError):
    """{name} may have taken this computer as an owner, but went before it said so: give the code again."""


class LoanOver(UserError):
    """The loan of {name} is over: ask its owner for another code."""


class NoConsole(UserError):
    """The board's console does not answer: plug in the cable, press reset, and try again."""


class ConsoleFailed(UserError):
    """The board's console says: {reason}."""


class BoardWithoutManaging(UserError):
    """The board cannot be paired by cable ({reason}): flash it first."""


class BadDays(UserError):
    """An invite holds for 1 to {most} days: choose a number between them."""


class TooManyInvites(UserError):
    """There are {most} invites that hold: `hedgerow invite withdraw` makes room."""


class UnknownInvite(UserError):
    """There is no invite {id} that holds: `hedgerow invite list` lists them."""


class QrEnding(UserError):
    """{path} must end in .png or .svg, for that says what to write; without a name it is shown here."""


class PictureNotWritten(UserError):
    """{path} cannot be written ({reason}), so no invite was made: choose another file."""


class UnknownRequest(UserError):
    """Nobody named {name} waits for your answer: `hedgerow requests` lists who does."""


class SeveralRequests(UserError):
    """Several wait as {name}: choose one by its number ({numbers}), as `hedgerow requests` shows it."""


class KeyChanged(UserError):
    """The key of {name} changed: compare digits with `hedgerow verify`, or say yes with --new-key."""


class KeyChecked(UserError):
    """The new key of {name} is in use: verify it, accept it with --new-key, or use `hedgerow block`."""


class NotChanged(UserError):
    """No other key of {name} waits for your yes: `hedgerow contacts` shows whose does."""


class Blocked(UserError):
    """You blocked {name}: `hedgerow unblock` ends that."""


class NotBlocked(UserError):
    """{name} is not blocked: `hedgerow contacts` shows who is."""


class BadCode(UserError):
    """A code has {count} digits: type those that {name} read aloud to you."""


class NoDigits(UserError):
    """There are no digits to compare with {name} yet: `hedgerow verify` shows them when they are there."""


class TooManyRuns(UserError):
    """You began {most} verifications of {name} in 30 days: compare with `hedgerow fingerprint` instead."""


class CodeDiffers(UserError):
    """This does not fit, so {name} is not verified: misheard? Then `hedgerow verify` anew; else beware."""


class IntroduceSelf(UserError):
    """An introduction needs two different people: name two contacts of yours."""


class IntroduceUnverified(UserError):
    """You can introduce only whom you verified, and {name} is not: `hedgerow verify` begins that."""


class NotConnected(UserError):
    """{name} has not answered your request yet: wait until `hedgerow contacts` shows a contact."""


class NothingToTrace(UserError):
    """Say whom to look for: the name of a contact or of a board; --allow and --deny need none."""


class NoBoardToTrace(UserError):
    """{name} is no contact of yours; to look for a board of that name, say with --board where to start."""


class BoardNotFound(UserError):
    """No echo from {name}: it may be out of reach, or its owner, or one on the way, did not allow traces."""


class NoPong(UserError):
    """{name} did not answer within {wait_s} s: they may be away, or never said `hedgerow trace --allow`."""


class EmptyText(UserError):
    """There is nothing to send: write a text behind the name."""


class TextTooLong(UserError):
    """This text has {size} bytes, {limit} fit into a letter: send it in parts."""


class NothingToSay(UserError):
    """There is nothing to say: write a text behind the command, in quotes."""


class NoStreet(UserError):
    """No street is known yet: name a board with --board once, it tells this computer its mesh's."""


class StreetNotLent(UserError):
    """{name} is lent to you, and its street is for members of its mesh: use a board that you own."""


class StreetSilent(UserError):
    """The board does not tell its street: flash it again with this version."""


class SaidTooMuch(UserError):
    """Everybody on the street has to read this, so wait {wait} before you say more."""


class SosTooOften(UserError):
    """Your last SOS is still going round: the next one can follow in {wait}."""


class NoRoomToSay(UserError):
    """This computer carries all it can, so nothing was said: link to a board, and say it again."""


class UnknownLetter(UserError):
    """There is no letter {number}: `hedgerow inbox` and `hedgerow sent` show letters with their numbers."""


class NotExpired(UserError):
    """Letter {number} is {state}: only an expired letter is sent again, so that nobody gets one twice."""


class BadUrl(UserError):
    """{url} names no way to a board: write serial:DEVICE, ble:NAME or tcp:HOST:PORT."""


class PortMissing(UserError):
    """There is nothing at {url}: plug the board in, and check the name."""


class PortForbidden(UserError):
    """You may not use {url}: join the group {group} (`sudo usermod -aG {group} $USER`) and log in again."""


class PortBusy(UserError):
    """Another program uses {url}: end it and try again."""


class PortLost(UserError):
    """The line {url} is gone: plug the board in again; nothing was lost."""


class NoBluetooth(UserError):
    """There is no Bluetooth on this computer ({reason}): plug in an adapter, or link the board by cable."""


class BluetoothOff(UserError):
    """Bluetooth is switched off: switch it on, and try again."""


class BluetoothForbidden(UserError):
    """This program may not use Bluetooth ({reason}): allow it in the settings of the system."""


class BoardNotInReach(UserError):
    """{name} is not in reach, or refuses us now: go nearer; `hedgerow board scan` shows who is there."""


class CodeNotInReach(BoardNotInReach):
    """{name} is not in reach, or this code was used: go nearer, or ask its owner for another."""


class BoardTakesNoCall(UserError):
    """{name} is in reach, but takes no connection: it has no free place, or is too far away: try again."""


class BoardGone(UserError):
    """{name} went out of reach: go nearer; nothing was lost."""


class WhichBoard(UserError):
    """Several boards are paired with this computer ({names}): say which, for example ble:{first}."""


class NoPairingKey(UserError):
    """No pairing key is known yet: pair with the board by `hedgerow board pair`, or give --key-file."""


class BadKeyFile(UserError):
    """{path} holds no pairing key ({reason}): it is 64 hexadecimal digits."""


class Unanswered(UserError):
    """{name} has answered none of {count} letters: wait for an answer, then write again."""


class SessionPending(Unanswered):
    """{name} has not answered the new session yet: wait for the answer, then try again."""


class WrongPairingKey(UserError):
    """The board refuses the pairing key: pair with it anew by `hedgerow board pair`, or give --key-file."""


class OtherVersion(UserError):
    """The board speaks another version of the protocol: flash it again with this version."""


class BoardSilent(UserError):
    """The board does not answer: is it plugged in, and does it run Hedgerow?"""


class NoAccountKey(UserError):
    """This device has no account key: do that on the first device, or `hedgerow device recover` this one."""


class PhraseOther(UserError):
    """That is the recovery phrase of another account: nothing was changed."""


class BundleDamaged(UserError):
    """{path} holds no letters, or only a part: make it again with `hedgerow device add`."""


class LanUnreachable(UserError):
    """Nothing answers at {address} ({reason}): is `hedgerow device join --lan` still waiting there?"""


class BadAddress(UserError):
    """{address} is no address: give what `hedgerow device join --lan` shows, like 192.168.1.5:40123."""


class NotJoined(UserError):
    """No welcome was in it: give the code to `hedgerow device add` on the other device, then try again."""


class UnknownDuration(UserError):
    """{wanted} is no time: say `off`, or a number of minutes, hours, days or weeks like 30m, 8h, 7d or 4w."""


class NoDuration(UserError):
    """{wanted} is no time up to a year: say minutes, hours, days or weeks like 30m, 8h, 7d or 4w."""


class IsGroup(UserError):
    """{name} is a group: name one person, or see `hedgerow group --help`."""


class UnknownGroup(UserError):
    """You are in no group {name}: `hedgerow group list` shows those that you are in."""


class GroupLeft(UserError):
    """You are not in {name} any more: ask an admin of it to add you again."""


class UnknownMember(UserError):
    """There is no other member {name}: `hedgerow group list` shows who is in."""


class AlreadyMember(UserError):
    """{name} is in the group already: write with `hedgerow send`."""


class NotAdmin(UserError):
    """Only an admin of {name} may do that: ask one, as `hedgerow group list` shows them."""


class LastAdmin(UserError):
    """You are the only admin: make somebody else one with `hedgerow group promote` before you leave."""


class GroupFull(UserError):
    """A group has at most {most} devices: remove somebody with `hedgerow group remove` first."""


class NoCertificate(UserError):
    """{name} became a contact with an early version: give each other a new invite, then add {name}."""


class BadReaction(UserError):
    """A reaction is one symbol of at most {most} characters: write an emoji, or nothing to take it back."""


class BadPoll(UserError):
    """A poll is a question with 2 to {most} different choices: name them one by one behind the question."""


class NoPoll(UserError):
    """Letter {number} is no poll: `hedgerow inbox` shows polls with their choices."""


class BadVote(UserError):
    """This poll takes {what} of the choices 1 to {most}: name them by their numbers."""


class FileNotWritten(UserError):
    """{path} cannot be written ({reason}): make room or name another file."""


class FileTooLarge(UserError):
    """This file has {size} bytes, boards carry up to {limit}: send it another way, or a part of it."""


class FileEmpty(UserError):
    """There is nothing in this file: send another one."""


class NotSmaller(UserError):
    """{path} cannot be made smaller: send it without --small, or install Pillow (`pip install pillow`)."""


class NotSure(UserError):
    """{size} are about {count} letters for the boards: say --yes to send it all the same."""


class NoFile(UserError):
    """There is no file {number}: `hedgerow files` lists them with their numbers."""


class NoSuchKey(UserError):
    """There is no {key} in this store: `hedgerow store list` shows what is."""


class NoCondition(UserError):
    """{given} is no condition: `--where` takes FIELD=VALUE."""


class NoDocument(UserError):
    """A document is a JSON object with a text in its field _id."""


class NotOurs(UserError):
    """Letter {number} is not yours, so only you forget it: say --here."""


class TooManyDevices(UserError):
    """An account has at most {most} devices: take one out with `hedgerow device revoke` first."""


class CodeDamaged(UserError):
    """That is no code of a device, or a damaged one: copy all that `hedgerow device join` shows."""


class CodeExpired(UserError):
    """That code has expired: show a new one with `hedgerow device join` on the new device."""


class CodeVersion(UserError):
    """That code is of another version of Hedgerow: install the same version on both devices."""


class DeviceKnown(UserError):
    """That device is one of yours already: `hedgerow device list` shows them."""


class UnknownDevice(UserError):
    """You have no device {wanted}: `hedgerow device list` shows them."""


class DeviceThis(UserError):
    """That is this device: revoke it from another one, or erase it with `hedgerow wipe`."""


class HomeInUse(UserError):
    """The account in {home} has contacts, so it cannot join another: use a new folder with --home."""


class BadLabel(UserError):
    """{label} cannot be the name of a device: use 1 to 32 bytes of letters, digits and spaces."""


class NotConfirmed(UserError):
    """Nothing was done, for there is no terminal to ask on: say --yes if you are sure."""


class NothingDone(UserError):
    """Nothing was done."""


class DamageChanged(UserError):
    """Nothing was done, for {name} is not damaged that way any more: ask it with `hedgerow board status`."""


class BoardBeyondRepair(UserError):
    """{name} could not be repaired over the link: flash it again, without --keep-data."""


class NoSources(UserError):
    """The firmware's sources are not in {folder}: install Hedgerow again, or use a copy of its repository."""


class BuildError(UserError):
    """{name} cannot be compiled ({reason}): install Hedgerow again; a change of yours has to be mended."""


class NotTheSigner(UserError):
    """Only who made {mesh} signs its updates: ask them, or flash the board with ./flash.sh."""


class NoSigner(UserError):
    """This home has no signer for {mesh}, for copies of a home must not sign twice: say --new-signer."""


class SignerSpent(UserError):
    """The signer of {mesh} has signed all that it can: make another one with --new-signer."""


class SignerDamaged(UserError):
    """The signer of {mesh} is damaged: make another one with --new-signer."""


class NoLoader(UserError):
    """{name} was flashed before boards could be updated: flash it once more with ./flash.sh."""


class FirmwareNewer(UserError):
    """{name} runs firmware {theirs}, which is newer than {ours}, what is here: say --downgrade to go back."""


class TrustsOther(UserError):
    """{name} does not trust the signer of {mesh}: say --trust where you are an owner of the board."""


class UpdateRefused(UserError):
    """{name} did not take the update: {reason}."""


class UpdateSlow(UserError):
    """The update was not done within {minutes} minutes: look with --status, or say it again to go on."""


class MeshUnclear(UserError):
    """It is not clear of which mesh the board is: say --mesh NAME, as `hedgerow mesh list` shows them."""


class UpdateTooLarge(UserError):
    """A firmware of {size} bytes is too large for an update: flash the board with ./flash.sh."""


class LinkLost(UserError):
    """The link to the board ended ({reason}): plug it in again; nothing was lost."""


def of_link(reason: str) -> UserError:
    """The error that tells why a link to a board went down; ``reason`` as in hedgerow_core.session."""
    if reason == "wrong key":
        return WrongPairingKey()
    if reason == "version":
        return OtherVersion()
    if reason in ("timeout", "silent"):
        return BoardSilent()
    return LinkLost(reason=reason)
