"""The org's users, and what each may do, read from the same records that SOQL shows."""

from meshmesh_demo import ids
from meshmesh_demo.model import Record
from meshmesh_demo.store import Store


class User:
    """One user, as the records stand now."""

    def __init__(self, store: Store, record: Record) -> None:
        self._store = store
        self.record = record

    @property
    def id(self) -> str:
        """Its 18-character id."""
        return str(self.record["Id"])

    @property
    def username(self) -> str:
        """Its username."""
        return str(self.record["Username"])

    @property
    def profile(self) -> Record:
        """Its profile's record."""
        return self._store.tables["Profile"][str(self.record["ProfileId"])]

    @property
    def login(self) -> Record:
        """Its UserLogin record."""
        return next(one for one in self._store.tables["UserLogin"].values() if one["UserId"] == self.id)

    @property
    def is_active(self) -> bool:
        """Neither deactivated nor frozen."""
        return bool(self.record["IsActive"]) and not self.login["IsFrozen"]

    @property
    def has_expired_password(self) -> bool:
        """Whether it must change its password first."""
        return bool(self.login.get("_password_expired"))

    @property
    def may_use_api(self) -> bool:
        """API Enabled, by profile or by a permission set."""
        assigned = {
            one["PermissionSetId"]
            for one in self._store.tables["PermissionSetAssignment"].values()
            if one["AssigneeId"] == self.id
        }
        sets = self._store.tables["PermissionSet"]
        return bool(self.profile["PermissionsApiEnabled"]) or any(
            sets[str(key)]["PermissionsApiEnabled"] for key in assigned
        )

    @property
    def may_write(self) -> bool:
        """Whether it may change records."""
        return self.profile["Name"] != "Read Only"


def by_id(store: Store, user_id: str) -> User:
    """A user that a grant names; users are never deleted."""
    return User(store, store.tables["User"][user_id])


def by_name(store: Store, username: str) -> User | None:
    """A user by its username in any case."""
    wanted = username.strip().casefold()
    found = (one for one in store.tables["User"].values() if str(one["Username"]).casefold() == wanted)
    return next((User(store, one) for one in found), None)


def everybody(store: Store) -> list[User]:
    """All users, the admin first."""
    records = sorted(store.tables["User"].values(), key=lambda one: (one["Id"] != ids.ADMIN_ID, str(one["Id"])))
    return [User(store, one) for one in records]
