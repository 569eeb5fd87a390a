"""The documents about customers: what WhatsApp knows them by, and what we know of them."""

from django.db import models
from django.utils.functional import cached_property

from pyloto.documents.document_model import DocumentModel
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.masking import mask_phone


class Identity(DocumentModel):
    """One identifier of a customer, by its HMAC. Only merge, undo and pepper rotation change one."""

    class Kind(models.TextChoices):
        BSUID = "BSUID", "Id do WhatsApp"
        PHONE = "PHONE", "Telefone"
        USERNAME = "USERNAME", "Nome de usuário"

    collection = "identities"
    store_name = "IdentityStore"

    user_key = models.CharField("cliente", max_length=64)
    kind = models.CharField("tipo", max_length=8, choices=Kind.choices)
    pepper_version = models.IntegerField("versão do segredo")
    evidence = models.CharField("origem", max_length=40)
    created_at = models.DateTimeField("criada em")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "identidade"
        verbose_name_plural = "identidades"


class UserProfile(DocumentModel):
    """A customer. Id: `user_key`."""

    collection = "user_profiles"
    store_name = "UserProfileStore"

    phone = models.TextField("telefone (cifrado)", null=True, default=None)
    wa_id = models.TextField("wa_id (cifrado)", null=True, default=None)
    bsuid = models.TextField("id do WhatsApp (cifrado)", null=True, default=None)
    username = models.TextField("nome de usuário (cifrado)", null=True, default=None)
    name = models.CharField("nome", max_length=200, default="")
    name_search = models.CharField("nome para busca", max_length=200, default="")
    city = models.CharField("cidade", max_length=120, default="")
    is_business = models.BooleanField("é empresa", null=True, default=None)
    business_name = models.CharField("empresa", max_length=200, default="")
    role = models.CharField("função", max_length=120, default="")
    lead_score = models.IntegerField("pontuação", null=True, default=None)
    qualification_level = models.CharField("qualificação", max_length=8, default="")
    merge_candidates = models.JSONField("possíveis duplicatas", default=list)
    created_at = models.DateTimeField("criado em")
    updated_at = models.DateTimeField("atualizado em")
    last_interaction = models.DateTimeField("última interação")
    metadata = models.JSONField("outros dados", default=dict)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "cliente"
        verbose_name_plural = "clientes"

    def reveal(self, field: str) -> str:
        """The plain value of an encrypted field; empty where there is none. Raises `DecryptionFailed`."""
        envelope = getattr(self, field)
        return decrypt(envelope, path=f"{self.collection}/{self.pk}", field=field) if envelope else ""

    @cached_property
    def masked_phone(self) -> str:
        """The phone as staff see it: empty where there is none, a word and an alert where it cannot be read."""
        try:
            phone = self.reveal("phone")
        except DecryptionFailed:
            alert("profile_unreadable", user_key=self.pk, field="phone")
            return "indisponível"
        return mask_phone(phone) if phone else ""
