// Party identification (1 to 7) by ideology and demographics; the first age group is the baseline.
data {
  int<lower=0> N;
  vector[N] partyid7;
  vector[N] real_ideo;
  vector[N] race_adj;
  array[N] int<lower=1, upper=4> age_discrete;
  vector[N] educ1;
  vector[N] gender;
  vector[N] income;
}
transformed data {
  vector[N] age2;
  vector[N] age3;
  vector[N] age4;
  for (n in 1 : N) {
    age2[n] = age_discrete[n] == 2;
    age3[n] = age_discrete[n] == 3;
    age4[n] = age_discrete[n] == 4;
  }
}
parameters {
  vector[9] beta;
  real<lower=0> sigma;
}
model {
  partyid7 ~ normal(beta[1] + beta[2] * real_ideo + beta[3] * race_adj + beta[4] * age2 + beta[5] * age3
                    + beta[6] * age4 + beta[7] * educ1 + beta[8] * gender + beta[9] * income,
                    sigma);
}
