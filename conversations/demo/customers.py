"""Invented customers: who they are and what they write. Pure, and the same for the same seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from conversations.intents import Intent
from profiles.identifiers import Sender

FIRST_NAMES = ["Ana", "Beatriz", "Camila", "Carla", "Cecília", "Cláudia", "Daniela", "Débora", "Eduarda", "Fernanda", "Gabriela", "Helena", "Isabela", "Jéssica", "Juliana", "Larissa", "Letícia", "Luana", "Luciana", "Mariana", "Marina", "Natália", "Patrícia", "Priscila", "Rafaela", "Renata", "Simone", "Sônia", "Tatiane", "Vanessa", "Adriano", "Alexandre", "André", "Antônio", "Bruno", "Caio", "Carlos", "Daniel", "Diego", "Eduardo", "Emerson", "Fábio", "Felipe", "Gilberto", "Gustavo", "Henrique", "Igor", "João", "Jonas", "José", "Leandro", "Leonardo", "Lucas", "Luiz", "Marcelo", "Marcos", "Mateus", "Maurício", "Otávio", "Paulo", "Pedro", "Rafael", "Ricardo", "Rodrigo", "Thiago", "Vítor"]  # fmt: skip
LAST_NAMES = ["Almeida", "Alves", "Andrade", "Antunes", "Barbosa", "Batista", "Borges", "Camargo", "Cardoso", "Carvalho", "Castro", "Cordeiro", "Correia", "Costa", "Dias", "Duarte", "Farias", "Ferreira", "Fonseca", "Freitas", "Gomes", "Gonçalves", "Kowalski", "Lima", "Lopes", "Machado", "Martins", "Medeiros", "Melo", "Mendes", "Monteiro", "Moraes", "Moreira", "Nascimento", "Nogueira", "Oliveira", "Pacheco", "Pereira", "Pinto", "Prestes", "Ramos", "Ribeiro", "Rocha", "Rodrigues", "Santana", "Santos", "Schneider", "Silva", "Silveira", "Soares", "Souza", "Teixeira", "Vieira", "Xavier"]  # fmt: skip
AREA_CODES = (43, 44, 45, 46, 47, 48, 49, 51, 53, 54, 55, 19)  # none that the simulator invents numbers in
CITIES = (
    "Ponta Grossa/PR",
    "Castro/PR",
    "Carambeí/PR",
    "Curitiba/PR",
    "Guarapuava/PR",
    "Telêmaco Borba/PR",
    "Irati/PR",
)
BUSINESSES = (  # (name, what it is, what its software should solve, what it should do)
    ("Padaria Trigo Bom", "padaria", "os pedidos ficam em papel e se perdem", "anotar pedidos, avisar a cozinha e fechar o caixa"),
    ("Oficina do Zeca", "oficina mecânica", "a gente perde o histórico dos carros", "ordens de serviço, histórico e aviso de revisão"),
    ("Clínica Bem Viver", "clínica", "a agenda vive com horário dobrado", "agenda, lembrete por WhatsApp e prontuário simples"),
    ("Pet Amigo", "pet shop", "os banhos são marcados num caderno", "agendamento, pacotes de banho e cobrança"),
    ("Mercado Central", "mercado de bairro", "o estoque nunca bate", "estoque, validade e pedidos aos fornecedores"),
    ("Flora Jardim", "floricultura", "esqueço as entregas de datas especiais", "encomendas, entregas do dia e lembretes"),
    ("Escola Passo a Passo", "escola infantil", "os recados aos pais se perdem", "agenda digital, recados e fotos da turma"),
    ("Marcenaria Ipê", "marcenaria", "os orçamentos demoram demais", "orçamentos, etapas da obra e fotos"),
)  # fmt: skip
SHOPS = (
    ("Marmitaria da Vó", "Marmitas e almoço"),
    ("Doce Encanto", "Bolos e doces por encomenda"),
    ("Farmácia Boa Saúde", "Remédios e perfumaria"),
    ("Flora Jardim", "Flores e cestas"),
    ("Pizzaria Forno Velho", "Pizzas"),
)


@dataclass(frozen=True)
class Customer:
    number: int
    name: str
    wa_id: str
    bsuid: str
    business: tuple[str, str, str, str]
    answers: Mapping[str, Mapping[str, str]] = field(repr=False)  # {intent: {field: answer}}

    @property
    def sender(self) -> Sender:
        return Sender(wa_id=self.wa_id, bsuid=self.bsuid, name=self.name)


@dataclass(frozen=True)
class Say:
    """The customer writes, after a pause. Several texts come as several messages of one turn."""

    texts: tuple[str, ...]
    pause: timedelta = timedelta(seconds=40)


@dataclass(frozen=True)
class Tap:
    """The customer taps the option whose title begins so; where there is none, they write it."""

    title: str
    pause: timedelta = timedelta(seconds=15)


@dataclass(frozen=True)
class Media:
    type: str
    media: Mapping[str, Any]  # the object under the type, in Meta's form; without an id, as there is nothing to fetch
    pause: timedelta = timedelta(seconds=50)


@dataclass(frozen=True)
class React:
    emoji: str
    pause: timedelta = timedelta(seconds=20)


@dataclass(frozen=True)
class Answer:
    """The customer answers what is asked, as long as the flow asks; `at_most` leaves it half done."""

    intent: Intent
    at_most: int = 12
    pause: timedelta = timedelta(seconds=55)


Step = Say | Tap | Media | React | Answer
Script = tuple[Step, ...]


def invent(number: int, rng: Random) -> Customer:
    """The customer of this number. Their phone is one that nobody has: …9 9999-xxxx."""
    name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
    area = AREA_CODES[number // 10_000 % len(AREA_CODES)]
    ninth = "" if rng.random() < 0.3 else "9"  # WhatsApp gives many Brazilian numbers without it
    business = rng.choice(BUSINESSES)
    return Customer(
        number=number,
        name=name,
        wa_id=f"55{area}{ninth}9999{number % 10_000:04d}",
        bsuid=f"BR.DEMO{number:012d}",
        business=business,
        answers=_answers(name, business, rng),
    )


def write_script(customer: Customer, rng: Random) -> Script:
    kinds, weights = zip(*SCRIPTS, strict=True)
    chosen: Callable[[Customer, Random], Script] = rng.choices(kinds, weights)[0]
    return chosen(customer, rng)


def _answers(name: str, business: tuple[str, str, str, str], rng: Random) -> dict[str, dict[str, str]]:
    company, kind, problem, features = business
    shop, goods = rng.choice(SHOPS)
    city = rng.choice(CITIES)
    return {
        Intent.CUSTOM_SOFTWARE.value: {
            "client_type": "Empresa",
            "problem": f"Tenho uma {kind} e {problem}",
            "features": f"Precisa {features}",
            "users": f"{rng.randint(2, 40)} pessoas",
            "city": city,
            "deadline": rng.choice(("O quanto antes", "Em até 3 meses", "Sem pressa")),
            "budget": rng.choice(("Prefiro não dizer", "uns 15 mil reais", "até R$ 30.000")),
        },
        Intent.SAAS_COMMUNICATION.value: {
            "business_type": f"Temos uma {kind}, a {company}",
            "channels": rng.choice(("WhatsApp", "WhatsApp e Instagram", "Vários canais")),
            "volume": f"{rng.randint(2, 9) * 10} por dia",
            "pain": rng.choice(("Demoramos muito para responder", "À noite ninguém responde e perdemos venda")),
            "goal": rng.choice(("Responder na hora, a qualquer hora", "Liberar a equipe das perguntas repetidas")),
            "budget": rng.choice(("Prefiro não dizer", "uns 500 reais por mês")),
        },
        Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP.value: {
            "name": name,
            "city": city,
            "vehicle": rng.choice(("Moto", "Bicicleta", "Carro")),
            "availability": rng.choice(("O dia todo", "Só à noite", "Fins de semana")),
        },
        Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP.value: {
            "company": shop,
            "city": city,
            "segment": goods,
            "deliveries": f"umas {rng.randint(3, 40) * 10} por mês",
        },
    }


def _looks_around(customer: Customer, rng: Random) -> Script:
    return (Say((rng.choice(("Oi", "Olá, boa tarde", "Bom dia!", "oi, tudo bem?")),)),)


def _asks_where(customer: Customer, rng: Random) -> Script:
    question = rng.choice(("Onde vocês ficam?", "Qual o horário de atendimento de vocês?", "Qual é o site de vocês?"))
    return Say(("Oi!", question)), React(rng.choice("👍❤🙏"))


def _asks_the_bot(customer: Customer, rng: Random) -> Script:
    return Say(("Estou falando com um robô?",)), Say(("Que legal! E quem são vocês?",)), Say(("Obrigado!",))


def _wants_delivery(customer: Customer, rng: Random) -> Script:
    what = rng.choice(("um bolo", "uns documentos", "um presente", "duas marmitas"))
    return Say((f"Oi, preciso de um entregador agora para levar {what}",)), Say(("Ok, obrigado",))


def _wants_software(customer: Customer, rng: Random) -> Script:
    return Say(("Boa tarde",)), Tap("Sistemas sob medida"), Answer(Intent.CUSTOM_SOFTWARE)


def _wants_software_at_once(customer: Customer, rng: Random) -> Script:
    opening = Say((f"Oi, sou dono de uma {customer.business[1]}", "Quero fazer um sistema para a minha empresa"))
    sketch = Media("image", {"mime_type": "image/jpeg", "caption": "Olha como a gente anota hoje"})
    return opening, Answer(Intent.CUSTOM_SOFTWARE, at_most=2), sketch, Answer(Intent.CUSTOM_SOFTWARE), React("🙏")


def _leaves_half_way(customer: Customer, rng: Random) -> Script:
    return Say(("Oi, queria um orçamento de aplicativo",)), Answer(Intent.CUSTOM_SOFTWARE, at_most=rng.randint(1, 3))


def _wants_pyloto(customer: Customer, rng: Random) -> Script:
    return Say(("Olá",)), Tap("Pyloto na sua empresa"), Answer(Intent.SAAS_COMMUNICATION)


def _wants_to_drive(customer: Customer, rng: Random) -> Script:
    return Say(("Oi, quero ser entregador",)), Answer(Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP)


def _has_a_shop(customer: Customer, rng: Random) -> Script:
    return Say(("Bom dia",)), Tap("Entregas para minha loja"), Answer(Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP)


def _wants_a_person(customer: Customer, rng: Random) -> Script:
    later = Say(("Alguma novidade?",), pause=timedelta(minutes=rng.randint(35, 90)))
    return Say(("Quero falar com uma pessoa, por favor",)), later


def _sends_a_voice_note(customer: Customer, rng: Random) -> Script:
    voice = {"mime_type": "audio/ogg; codecs=opus", "voice": True}
    return Media("audio", voice), Say(("Queria saber o endereço de vocês",))


def _asks_for_something_else(customer: Customer, rng: Random) -> Script:
    return (Say((rng.choice(("Vocês vendem geladeira?", "Vocês consertam celular?")),)),)


SCRIPTS: tuple[tuple[Callable[[Customer, Random], Script], int], ...] = (
    (_looks_around, 10),
    (_asks_where, 12),
    (_asks_the_bot, 5),
    (_wants_delivery, 12),
    (_wants_software, 10),
    (_wants_software_at_once, 8),
    (_leaves_half_way, 8),
    (_wants_pyloto, 9),
    (_wants_to_drive, 8),
    (_has_a_shop, 6),
    (_wants_a_person, 7),
    (_sends_a_voice_note, 4),
    (_asks_for_something_else, 3),
)
